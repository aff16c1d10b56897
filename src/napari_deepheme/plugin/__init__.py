"""The thin shell that turns clicks into core calls and cell tables into layers."""

"""What OpenSlide reads, some of it decoded directly."""

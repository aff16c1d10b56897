"""Fitting the models: data, augmentation, loop, figures."""

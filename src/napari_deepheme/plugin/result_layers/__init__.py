"""What a run puts over the slide: cells, figures, gaps and densities, as layers."""

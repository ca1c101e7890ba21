"""Pictures: decoding, boxes, overlays and palettes. Import the module you need."""

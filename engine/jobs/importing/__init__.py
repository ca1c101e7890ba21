"""What the task ``import_dataset`` does: areas read the upload, this joins them with the store."""

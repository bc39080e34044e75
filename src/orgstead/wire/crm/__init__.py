"""CRM as a Service: a small REST API with a key and plain JSON over the same rows."""

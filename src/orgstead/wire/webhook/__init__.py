"""What is posted to webhooks: the payload, and where it goes."""

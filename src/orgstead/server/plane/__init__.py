"""The admin plane under ``/_orgstead/``: what testers steer an organisation with, apart from everything imitated."""

"""The Organization Service: SOAP envelopes to messages, and what messages answer to envelopes.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/overview
"""

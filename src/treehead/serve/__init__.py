"""Serve a trained network: a web page and a JSON endpoint."""

"""What an operator sees: logs, metrics, health over HTTP, and the service manager's protocol."""

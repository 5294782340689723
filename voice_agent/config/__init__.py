"""The user's files as plain data: YAML to `Agent`, environment and `.env` to `Settings`; every error says where."""

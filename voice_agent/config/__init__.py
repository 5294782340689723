"""From the user's files to plain data: agent YAML to `Agent`, environment and `.env` to `Settings`; every error says where."""

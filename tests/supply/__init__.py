"""Known vulnerabilities in what is pinned (`make audit-dependencies`): pip-audit, where advisories can be asked for."""

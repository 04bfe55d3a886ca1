"""Who may do what: accounts, organisations, teams, secrets, sessions and the one decision."""

"""Who may do what, and the record of who did: roles, principals, tokens, people, policy, audit."""

"""Settings from elsewhere than the command line: the environment and one TOML file.

Pure but for `file`. Knows no command: those who do hand in what may be set (`known.Known`).

- `names`: which variable an option has, and which options are no settings
- `known`: what may be set, and the nearest known name of what may not
- `file`: where the file is looked for, who may have written it
- `checking`: what the file says, for each command, or all that is wrong with it
- `masking`: values without the passwords in them
"""

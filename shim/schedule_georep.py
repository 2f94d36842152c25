#!/usr/bin/python3
"""Runs `georep schedule` where something still calls schedule_georep.py (python 2.7 or 3)."""
import os
import sys

# After PATH, which is /usr/bin:/bin in a cron job.
DIRECTORIES = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin"


def main():
    """Becomes georep, or says where it was looked for."""
    searched = os.environ.get("PATH", "").split(":") + DIRECTORIES.split(":")
    for directory in searched:
        program = os.path.join(directory, "georep")
        if os.path.isabs(program) and os.path.isfile(program) and os.access(program, os.X_OK):
            os.execv(program, [program, "schedule"] + sys.argv[1:])
    sys.stderr.write("schedule_georep.py: there is no `georep` in {0}; install it, or undo what "
                     "put this file here (shim/install --undo)\n".format(":".join(searched)))
    return 127


if __name__ == "__main__":
    sys.exit(main())

"""The executable that the documentation is about."""
import json
import os
import pathlib
import subprocess

PATH = pathlib.Path(os.environ["WEIGHBRIDGE"]).resolve()


def document(*arguments):
    """The JSON document that the executable prints."""
    return json.loads(subprocess.run([PATH, *arguments], check=True, capture_output=True).stdout)

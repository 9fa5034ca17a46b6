"""Where the installer has put the executable."""
import os
import pathlib
import sys
import sysconfig


def find_executable():
    """The path of the `weighbridge` executable that was installed with this package.

    Raises:
        FileNotFoundError: the installer has put it nowhere that is known.
    """
    folders = [sysconfig.get_path("scripts")]
    # `pip install --user` and `pip install --prefix`, then `--target`.
    folders.append(sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user")) if sys.version_info >= (3, 10) else None)
    package = pathlib.Path(__file__).resolve().parent
    if package.parent.name == "site-packages" and len(package.parents) > 3:
        folders.append(str(package.parents[3] / "bin"))
    folders.append(str(package.parent / "bin"))
    tried = [os.path.join(folder, "weighbridge") for folder in folders if folder]
    for path in tried:
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise FileNotFoundError(f"there is no weighbridge executable; looked for {', '.join(tried)}")

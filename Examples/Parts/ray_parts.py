"""Does a conversion in parts on a Ray cluster, then merges them: ray_parts.py N convert SOURCE DESTINATION [OPTIONS]

Source and destination lie on a file system that all nodes share. A part that fails is tried again, on any node, and goes on where it was.
"""
import subprocess
import sys

import ray


@ray.remote(num_cpus=1, max_retries=3, retry_exceptions=True)
def part(number, count, command):
    words = ["weighbridge", *command, "--part", f"{number}/{count}", "--resume", "--quiet"]
    ended = subprocess.run(words, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"part {number}/{count}: {ended.stderr.strip()}")
    return ended.stdout.strip().split(";")[0]


def main():
    count, command = int(sys.argv[1]), sys.argv[2:]
    ray.init()
    waiting = [part.remote(number, count, command) for number in range(1, count + 1)]
    while waiting:
        done, waiting = ray.wait(waiting)
        print(ray.get(done[0]), flush=True)
    sys.exit(subprocess.run(["weighbridge", "merge", command[2], "--wait", "90s"]).returncode)


main()

// Preloaded into Weighbridge for the rows "without sync": the calls that wait for the disk succeed at once.
int fsync(int descriptor) {
  (void)descriptor;
  return 0;
}

int fdatasync(int descriptor) {
  (void)descriptor;
  return 0;
}

// Symbols that static libraries ask for and that a release shall not take from elsewhere.
//
// Those of Debian's libhdf5.a are never called: its driver for files on S3 (libcurl, OpenSSL) and its szip filter (libaec). They fail, so that an
// executable with HDF5 in it needs none of those libraries, and a call is an error of HDF5's.
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

// curl/curl.h: CURLE_FAILED_INIT is 2.
int curl_global_init(long flags);
int curl_global_init(long flags) { return (void)flags, 2; }
void curl_global_cleanup(void);
void curl_global_cleanup(void) {}
void *curl_easy_init(void);
void *curl_easy_init(void) { return NULL; }
int curl_easy_setopt(void *handle, int option, ...);
int curl_easy_setopt(void *handle, int option, ...) { return (void)handle, (void)option, 2; }
int curl_easy_perform(void *handle);
int curl_easy_perform(void *handle) { return (void)handle, 2; }
void curl_easy_cleanup(void *handle);
void curl_easy_cleanup(void *handle) { (void)handle; }
void *curl_slist_append(void *list, const char *text);
void *curl_slist_append(void *list, const char *text) { return (void)list, (void)text, NULL; }
void curl_slist_free_all(void *list);
void curl_slist_free_all(void *list) { (void)list; }

// openssl/evp.h, hmac.h, sha.h: no algorithm, no digest.
const void *EVP_sha256(void);
const void *EVP_sha256(void) { return NULL; }
unsigned char *HMAC(const void *algorithm, const void *key, int keySize, const unsigned char *data, size_t size, unsigned char *digest, unsigned *digestSize);
unsigned char *HMAC(const void *algorithm, const void *key, int keySize, const unsigned char *data, size_t size, unsigned char *digest, unsigned *digestSize) {
  return (void)algorithm, (void)key, (void)keySize, (void)data, (void)size, (void)digest, (void)digestSize, NULL;
}
unsigned char *SHA256(const unsigned char *data, size_t size, unsigned char *digest);
unsigned char *SHA256(const unsigned char *data, size_t size, unsigned char *digest) { return (void)data, (void)size, (void)digest, NULL; }

// szlib.h: SZ_PARAM_ERROR is -4; the encoder is not there.
int SZ_encoder_enabled(void);
int SZ_encoder_enabled(void) { return 0; }
int SZ_BufftoBuffCompress(void *target, size_t *targetSize, const void *source, size_t sourceSize, void *parameters);
int SZ_BufftoBuffCompress(void *target, size_t *targetSize, const void *source, size_t sourceSize, void *parameters) {
  return (void)target, (void)targetSize, (void)source, (void)sourceSize, (void)parameters, -4;
}
int SZ_BufftoBuffDecompress(void *target, size_t *targetSize, const void *source, size_t sourceSize, void *parameters);
int SZ_BufftoBuffDecompress(void *target, size_t *targetSize, const void *source, size_t sourceSize, void *parameters) {
  return (void)target, (void)targetSize, (void)source, (void)sourceSize, (void)parameters, -4;
}

// libstdc++.a's std::random_device was built for glibc 2.36, which has this; getrandom is there since 2.25.
uint32_t arc4random(void);
uint32_t arc4random(void) {
  uint32_t value;
  while (getrandom(&value, sizeof value, 0) != sizeof value) {
    if (errno != EINTR) abort();
  }
  return value;
}

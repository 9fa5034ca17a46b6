// The tables of slicing-by-8 (Kounavis and Berry, "A Systematic Approach to Building High Performance, Software-based, CRC
// Generators", 2005) for CRC-32 and CRC-32C, and the loop over them; not part of the module.
//
// Table k gives the register after a byte and then k zero bytes. A CRC is linear over XOR, so a table needs only its values for
// the eight single bits, 0x80 first; each of these 64 constants is the one before, shifted right by one bit modulo the
// polynomial. The compiler expands them into 8 KB of constants.
#ifndef WB_CRC_TABLES_H
#define WB_CRC_TABLES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ENTRY(byte, x80, x40, x20, x10, x08, x04, x02, x01)                                                                  \
  (((byte) & 0x80 ? x80 : 0u) ^ ((byte) & 0x40 ? x40 : 0u) ^ ((byte) & 0x20 ? x20 : 0u) ^ ((byte) & 0x10 ? x10 : 0u)         \
   ^ ((byte) & 0x08 ? x08 : 0u) ^ ((byte) & 0x04 ? x04 : 0u) ^ ((byte) & 0x02 ? x02 : 0u) ^ ((byte) & 0x01 ? x01 : 0u))
#define ENTRIES_4(byte, ...)                                                                                                 \
  ENTRY(byte, __VA_ARGS__), ENTRY((byte) + 1, __VA_ARGS__), ENTRY((byte) + 2, __VA_ARGS__), ENTRY((byte) + 3, __VA_ARGS__)
#define ENTRIES_16(byte, ...)                                                                                                \
  ENTRIES_4(byte, __VA_ARGS__), ENTRIES_4((byte) + 4, __VA_ARGS__), ENTRIES_4((byte) + 8, __VA_ARGS__),                      \
    ENTRIES_4((byte) + 12, __VA_ARGS__)
#define ENTRIES_64(byte, ...)                                                                                                \
  ENTRIES_16(byte, __VA_ARGS__), ENTRIES_16((byte) + 16, __VA_ARGS__), ENTRIES_16((byte) + 32, __VA_ARGS__),                 \
    ENTRIES_16((byte) + 48, __VA_ARGS__)
#define TABLE(...)                                                                                                           \
  {ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), ENTRIES_64(128, __VA_ARGS__), ENTRIES_64(192, __VA_ARGS__)}

/// Polynomial 0x04C11DB7, bits reflected (0xEDB88320).
static const uint32_t crc32_tables[8][256] = {
  TABLE(0xEDB88320, 0x76DC4190, 0x3B6E20C8, 0x1DB71064, 0x0EDB8832, 0x076DC419, 0xEE0E612C, 0x77073096),
  TABLE(0x3B83984B, 0xF0794F05, 0x958424A2, 0x4AC21251, 0xC8D98A08, 0x646CC504, 0x32366282, 0x191B3141),
  TABLE(0xE1351B80, 0x709A8DC0, 0x384D46E0, 0x1C26A370, 0x0E1351B8, 0x0709A8DC, 0x0384D46E, 0x01C26A37),
  TABLE(0xED59B63B, 0x9B14583D, 0xA032AF3E, 0x5019579F, 0xC5B428EF, 0x8F629757, 0xAA09C88B, 0xB8BC6765),
  TABLE(0xB1E6B092, 0x58F35849, 0xC1C12F04, 0x60E09782, 0x30704BC1, 0xF580A6C0, 0x7AC05360, 0x3D6029B0),
  TABLE(0x1EB014D8, 0x0F580A6C, 0x07AC0536, 0x03D6029B, 0xEC53826D, 0x9B914216, 0x4DC8A10B, 0xCB5CD3A5),
  TABLE(0x8816EAF2, 0x440B7579, 0xCFBD399C, 0x67DE9CCE, 0x33EF4E67, 0xF44F2413, 0x979F1129, 0xA6770BB4),
  TABLE(0x533B85DA, 0x299DC2ED, 0xF9766256, 0x7CBB312B, 0xD3E51BB5, 0x844A0EFA, 0x4225077D, 0xCCAA009E),
};

/// Polynomial 0x1EDC6F41, Castagnoli's, bits reflected (0x82F63B78).
static const uint32_t crc32c_tables[8][256] = {
  TABLE(0x82F63B78, 0x417B1DBC, 0x20BD8EDE, 0x105EC76F, 0x8AD958CF, 0xC79A971F, 0xE13B70F7, 0xF26B8303),
  TABLE(0xFBC3FAF9, 0xFF17C604, 0x7F8BE302, 0x3FC5F181, 0x9D14C3B8, 0x4E8A61DC, 0x274530EE, 0x13A29877),
  TABLE(0x8B277743, 0xC76580D9, 0xE144FB14, 0x70A27D8A, 0x38513EC5, 0x9EDEA41A, 0x4F6F520D, 0xA541927E),
  TABLE(0x52A0C93F, 0xABA65FE7, 0xD725148B, 0xE964B13D, 0xF64463E6, 0x7B2231F3, 0xBF672381, 0xDD45AAB8),
  TABLE(0x6EA2D55C, 0x37516AAE, 0x1BA8B557, 0x8F2261D3, 0xC5670B91, 0xE045BEB0, 0x7022DF58, 0x38116FAC),
  TABLE(0x1C08B7D6, 0x0E045BEB, 0x85F4168D, 0xC00C303E, 0x6006181F, 0xB2F53777, 0xDB8CA0C3, 0xEF306B19),
  TABLE(0xF56E0EF4, 0x7AB7077A, 0x3D5B83BD, 0x9C5BFAA6, 0x4E2DFD53, 0xA5E0C5D1, 0xD0065990, 0x68032CC8),
  TABLE(0x34019664, 0x1A00CB32, 0x0D006599, 0x847609B4, 0x423B04DA, 0x211D826D, 0x9278FA4E, 0x493C7D27),
};

#undef ENTRY
#undef ENTRIES_4
#undef ENTRIES_16
#undef ENTRIES_64
#undef TABLE

/// Advances a register over `count` bytes, by the tables of its polynomial.
static inline uint32_t crc_advanced_by_table(const uint32_t tables[8][256], uint32_t crc, const uint8_t *bytes,
                                             size_t count) {
  for (; count >= 8; bytes += 8, count -= 8) {
    uint32_t low, high;
    memcpy(&low, bytes, 4);
    memcpy(&high, bytes + 4, 4);
    low ^= crc;
    crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^ tables[4][low >> 24]
      ^ tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^ tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
  }
  for (; count > 0; bytes++, count--) crc = crc >> 8 ^ tables[0][(crc ^ *bytes) & 0xFF];
  return crc;
}

#endif

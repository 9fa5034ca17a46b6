// The tables of slicing-by-8 (Kounavis and Berry, "A Systematic Approach to Building High Performance, Software-based, CRC
// Generators", 2005) for CRC-32; not part of the module.
//
// Table k gives the register after a byte and then k zero bytes. A CRC is linear over XOR, so a table needs only its values for
// the eight single bits, 0x80 first; each of these 64 constants is the one before, shifted right by one bit modulo the
// polynomial. The compiler expands them into 8 KB of constants.
#ifndef WB_CRC32_TABLES_H
#define WB_CRC32_TABLES_H

#include <stdint.h>

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

#undef ENTRY
#undef ENTRIES_4
#undef ENTRIES_16
#undef ENTRIES_64
#undef TABLE

#endif

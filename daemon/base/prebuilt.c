/* prebuilt: looks a database of patterns up in the table that the build made (prebuilt_table.c). */
#include "prebuilt.h"

#include <string.h>

extern const struct dsn_prebuilt dsn_prebuilt_table[];
extern const size_t dsn_prebuilt_count;

struct dsn_strview dsn_prebuilt_find(const unsigned char key[DSN_PREBUILT_KEY]) {
    for (size_t i = 0; i < dsn_prebuilt_count; i++) {
        if (memcmp(dsn_prebuilt_table[i].key, key, DSN_PREBUILT_KEY) == 0)
            return dsn_prebuilt_table[i].bytes;
    }
    return DSN_NONE;
}

bool dsn_prebuilt_wanted(void) {
    return false;
}

void dsn_prebuilt_add(const unsigned char key[DSN_PREBUILT_KEY], struct dsn_strview bytes) {
    (void)key, (void)bytes;
}

/* position: how far the streams of events were read. Knows how ids are written, no connection. */
#include "position.h"

#include "base/sv.h"

#include <glib.h>
#include <stdio.h>

/* The digits at the front of `*rest`, which are taken off. */
static bool take_number(struct dsn_strview *rest, uint64_t *out) {
    uint64_t n = 0;
    size_t i = 0;
    for (; i < rest->n && dsn_is_digit(rest->p[i]); i++) {
        uint64_t digit = (uint64_t)(rest->p[i] - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *rest = dsn_sv_from(*rest, i);
    *out = n;
    return i > 0;
}

static bool take_char(struct dsn_strview *rest, char c) {
    bool there = rest->n > 0 && rest->p[0] == c;
    *rest = dsn_sv_from(*rest, there);
    return there;
}

bool dsn_entry_id_parse(struct dsn_strview text, struct dsn_entry_id *out) {
    struct dsn_entry_id id = {0};
    if (!take_number(&text, &id.ms) || (take_char(&text, '-') && !take_number(&text, &id.sequence)) ||
        text.n > 0)
        return false;
    *out = id;
    return true;
}

int dsn_entry_id_compare(struct dsn_entry_id a, struct dsn_entry_id b) {
    return a.ms != b.ms ? (a.ms > b.ms) - (a.ms < b.ms)
                        : (a.sequence > b.sequence) - (a.sequence < b.sequence);
}

void dsn_entry_name_write(char out[DSN_ENTRY_NAME_SIZE], unsigned shard, unsigned shards,
                          struct dsn_entry_id id) {
    size_t n = 0;
    if (shards > 1)
        n = (size_t)snprintf(out, DSN_ENTRY_NAME_SIZE, "%u/", shard);
    snprintf(out + n, DSN_ENTRY_NAME_SIZE - n, "%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, id.ms,
             id.sequence);
}

bool dsn_entry_name_parse(struct dsn_strview text, unsigned *shard, struct dsn_entry_id *out) {
    uint64_t number = 0;
    struct dsn_strview rest = text;
    bool sharded = take_number(&rest, &number) && take_char(&rest, '/');
    if ((sharded && number > UINT16_MAX) || !dsn_entry_id_parse(sharded ? rest : text, out))
        return false;
    *shard = sharded ? (unsigned)number : 0;
    return true;
}

bool dsn_position_parse(struct dsn_strview text, size_t shards, struct dsn_position *out) {
    GArray *ids = g_array_new(FALSE, TRUE, sizeof(struct dsn_entry_id));
    struct dsn_entry_id id;
    bool good = true;
    for (size_t begin = 0, end; good && begin <= text.n; begin = end + 1) {
        end = MIN(dsn_sv_find_char(text, ',', begin), text.n);
        good = dsn_entry_id_parse(dsn_sv(text.p + begin, end - begin), &id);
        g_array_append_val(ids, id);
    }
    while (good && ids->len < shards && dsn_sv_find_char(text, ',', 0) == SIZE_MAX)
        g_array_append_val(ids, id);
    good = good && (shards == 0 || ids->len == shards);
    if (good) {
        dsn_position_clear(out);
        out->n = ids->len;
        out->ids = (struct dsn_entry_id *)(void *)g_array_free(ids, FALSE);
    } else {
        g_array_unref(ids);
    }
    return good;
}

char *dsn_position_text(const struct dsn_position *position) {
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < position->n; i++)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, i > 0 ? "," : "",
                               position->ids[i].ms, position->ids[i].sequence);
    return g_string_free(text, FALSE);
}

void dsn_position_copy(const struct dsn_position *from, struct dsn_position *to) {
    dsn_position_clear(to);
    to->n = from->n;
    to->ids = g_memdup2(from->ids, from->n * sizeof *from->ids);
}

void dsn_position_clear(struct dsn_position *position) {
    g_free(position->ids);
    *position = (struct dsn_position){0};
}

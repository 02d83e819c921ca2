/* format: reads a report as its format describes it. Knows how descriptions work, not a single vendor. */
#include "format.h"
#include "address.h"
#include "answer.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "command.h"
#include "fields.h"
#include "format_file.h"
#include "human.h"
#include "original.h"
#include "prose.h"

enum {
    MAX_PROSE_RECIPIENTS = 500,
    MAX_HEADER_BYTES = 64 * 1024,
    MAX_LINE_BYTES = 2000,
};

struct dsn_formats_scratch {
    struct dsn_matcher_scratch *matching;
    struct dsn_capture_scratch *capture;
    unsigned *held; /* by format, and DSN_SHARED more: conditions that hold */
    bool *vetoed;
    size_t n;
    /* What is known of a message, so that asking for every rank costs no more than asking for one. */
    const struct dsn_message *message;
    struct dsn_strview text; /* the human part */
    size_t border;           /* where a returned message begins in it */
};

/* Where the text about a recipient may stand. */
struct place {
    struct dsn_strview before; /* between the recipient before and this one */
    struct dsn_strview own;    /* on his own line */
    struct dsn_strview lines;  /* that and the lines that follow */
};

/* One attempt to read a message by one format. */
struct reading {
    const struct dsn_format *format;
    const struct dsn_captures *delay; /* the words that all formats share, where some are there */
    struct dsn_capture_scratch *capture;
    struct dsn_draft *draft;
    struct dsn_strview report; /* where the report is told */
    struct dsn_strview rest;   /* what follows it: the returned message */
    bool delayed;              /* it says that delivery is still tried */
    struct place *places;      /* by recipient */
    size_t capacity;
    size_t described;         /* recipients whose places have been read */
    struct dsn_prose_own own; /* whom a guess must not take for a recipient */
};

enum dsn_error dsn_formats_scratch_new(const struct dsn_formats *formats, struct dsn_formats_scratch **out) {
    struct dsn_formats_scratch *scratch = g_try_new0(struct dsn_formats_scratch, 1);
    if (!scratch)
        return DSN_ERR_MEMORY;
    scratch->n = formats->n;
    scratch->held = g_try_new0(unsigned, formats->n + DSN_SHARED);
    scratch->vetoed = g_try_new0(bool, formats->n + DSN_SHARED);
    enum dsn_error error = scratch->held && scratch->vetoed ? DSN_OK : DSN_ERR_MEMORY;
    if (!error)
        error = dsn_matcher_scratch_fit(formats->header, &scratch->matching);
    if (!error)
        error = dsn_matcher_scratch_fit(formats->body, &scratch->matching);
    if (!error)
        error = dsn_capture_scratch_new(&scratch->capture);
    if (error)
        dsn_formats_scratch_free(scratch);
    else
        *out = scratch;
    return error;
}

void dsn_formats_scratch_free(struct dsn_formats_scratch *scratch) {
    if (!scratch)
        return;
    dsn_matcher_scratch_free(scratch->matching);
    dsn_capture_scratch_free(scratch->capture);
    g_free(scratch->held);
    g_free(scratch->vetoed);
    g_free(scratch);
}

static bool find_any(const struct dsn_captures *list, struct dsn_capture_scratch *scratch,
                     struct dsn_strview text, struct dsn_captured *out) {
    for (size_t i = 0; i < list->n; i++) {
        if (dsn_capture_find(list->items[i], scratch, text, 0, out))
            return true;
    }
    return false;
}

/* --- which formats a message may have
 * ------------------------------------------------------------------------------ */

struct counting {
    struct dsn_formats_scratch *scratch;
    const GArray *conditions;
};

static size_t count_hit(size_t pattern, void *data) {
    const struct counting *counting = data;
    const struct dsn_condition *condition =
        &g_array_index(counting->conditions, struct dsn_condition, pattern);
    if (condition->negated)
        counting->scratch->vetoed[condition->format] = true;
    else
        counting->scratch->held[condition->format]++;
    return SIZE_MAX;
}

static void add_header(struct dsn_buffer *text, struct dsn_strview name, struct dsn_strview value) {
    dsn_buffer_add(text, name);
    dsn_buffer_add(text, DSN_LIT(": "));
    dsn_buffer_add(text, value);
    dsn_buffer_add_char(text, '\n');
}

/* The header, a line each; of a subject that a gateway has marked one more, without the mark. */
static struct dsn_strview header_text(struct dsn_draft *draft) {
    struct dsn_buffer text;
    dsn_buffer_init(&text, draft->arena, 4096);
    for (size_t i = 0; i < draft->message->n_headers && text.n < MAX_HEADER_BYTES; i++) {
        const struct dsn_field header = draft->message->headers[i];
        add_header(&text, header.name, header.value);
        if (!dsn_sv_eq_nocase(header.name, DSN_LIT("Subject")))
            continue;
        struct dsn_strview unmarked = dsn_subject_unmarked(header.value);
        if (unmarked.n < header.value.n)
            add_header(&text, header.name, unmarked);
    }
    return dsn_buffer_view(&text);
}

/* Offset of the line at or after `from` that one of `list` matches; the text's length where none does.
 * `behind`: where the line after it begins. */
static size_t find_line(const struct dsn_captures *list, struct dsn_capture_scratch *scratch,
                        struct dsn_strview text, size_t from, size_t *behind) {
    struct dsn_strview rest = dsn_sv_from(text, from), line;
    struct dsn_captured captured;
    while (list->n && dsn_sv_next_line(&rest, &line)) {
        if (line.n && find_any(list, scratch, dsn_utf8_cut(line, MAX_LINE_BYTES), &captured)) {
            *behind = text.n - rest.n;
            return (size_t)(line.p - text.p);
        }
    }
    *behind = text.n;
    return text.n;
}

static void match_conditions(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                             struct dsn_draft *draft, struct dsn_strview text) {
    memset(scratch->held, 0, (scratch->n + DSN_SHARED) * sizeof *scratch->held);
    memset(scratch->vetoed, 0, (scratch->n + DSN_SHARED) * sizeof *scratch->vetoed);
    struct counting header = {scratch, formats->header_conditions},
                    body = {scratch, formats->body_conditions};
    dsn_matcher_scan(formats->header, scratch->matching, header_text(draft), count_hit, &header);
    dsn_matcher_scan(formats->body, scratch->matching, text, count_hit, &body);
}

/* `text` without what the expression finds in it. */
static struct dsn_strview without(struct dsn_arena *arena, const struct dsn_capture *capture,
                                  struct dsn_capture_scratch *scratch, struct dsn_strview text) {
    struct dsn_buffer kept;
    struct dsn_captured found;
    size_t from = 0;
    dsn_buffer_init(&kept, arena, text.n);
    while (dsn_capture_find(capture, scratch, text, from, &found) && found.end > from) {
        dsn_buffer_add(&kept, dsn_sv(text.p + from, found.begin - from));
        from = found.end;
    }
    dsn_buffer_add(&kept, dsn_sv_from(text, from));
    return dsn_buffer_view(&kept);
}

/* Leaves out of the report what gateways, scanners and lawyers wrote around it. */
static void leave_asides_out(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                             struct dsn_arena *arena) {
    struct dsn_strview report = dsn_sv(scratch->text.p, scratch->border);
    for (size_t i = 0; i < formats->aside.n; i++)
        report = without(arena, formats->aside.items[i], scratch->capture, report);
    scratch->text = dsn_arena_join(arena, report, DSN_NONE, dsn_sv_from(scratch->text, scratch->border));
    scratch->border = MIN(report.n, scratch->text.n);
}

/* Finds out which formats the draft's message may have, unless that is known already. */
static void recognise(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                      struct dsn_draft *draft) {
    if (scratch->message == draft->message)
        return;
    size_t behind;
    scratch->message = draft->message;
    scratch->text = dsn_human_text(&draft->human, draft->arena, draft->message);
    scratch->border = find_line(&formats->end, scratch->capture, scratch->text, 0, &behind);
    match_conditions(formats, scratch, draft,
                     dsn_sv(scratch->text.p, behind)); /* that line tells of the format too */
    if (!scratch->held[formats->n + DSN_SHARED_ASIDE])
        return;
    size_t line = behind - scratch->border;
    leave_asides_out(formats, scratch, draft->arena);
    match_conditions(formats, scratch, draft, dsn_sv(scratch->text.p, scratch->border + line));
}

void dsn_formats_scratch_reset(struct dsn_formats_scratch *scratch) {
    if (!scratch)
        return;
    scratch->message = NULL;
    dsn_capture_scratch_refill(scratch->capture);
}

/* --- what one format finds
 * ----------------------------------------------------------------------------------------- */

/* Cuts the text into the report and the returned message, which begins at `border` at the latest. */
static bool find_report(struct reading *r, struct dsn_strview text, size_t border) {
    struct dsn_strview whole = dsn_sv(text.p, border);
    size_t begin = 0, behind, end;
    if (r->format->begin.n) {
        begin = find_line(&r->format->begin, r->capture, whole, 0, &behind);
        if (begin == whole.n)
            return false;
    }
    end = find_line(&r->format->end, r->capture, whole, begin, &behind);
    struct dsn_captured captured;
    r->report = dsn_sv(whole.p + begin, end - begin);
    r->rest = dsn_sv_from(text, end);
    r->delayed = find_any(&r->format->delay, r->capture, r->report, &captured) ||
                 (r->format->kind == DSN_KIND_BOUNCE && find_any(r->delay, r->capture, r->report, &captured));
    return true;
}

/* The header of a returned message that follows the report in the same text. */
static void read_returned(struct reading *r) {
    struct dsn_fields fields;
    struct dsn_original *original = &r->draft->report.original;
    for (size_t i = 0; i < r->draft->message->n_parts; i++) {
        if (r->draft->message->parts[i].role == DSN_PART_ORIGINAL)
            return;
    }
    if (!original->headers && dsn_fields_next_group(r->draft->arena, r->draft->limits, &r->rest, &fields)) {
        for (size_t i = 0; i < fields.n; i++)
            fields.items[i].value = dsn_header_decode(r->draft->arena, fields.items[i].value);
        dsn_original_read(fields.items, fields.n, original);
    }
}

static void take_status(struct dsn_recipient *recipient, const struct dsn_captured *captured) {
    struct dsn_strview status = captured->groups[DSN_GROUP_STATUS], code = captured->groups[DSN_GROUP_CODE];
    unsigned number;
    if (status.n && !recipient->status.cls)
        recipient->status = dsn_status_read(status, NULL);
    if (code.n && !recipient->smtp_code && dsn_sv_read_uint(code, 3, &number) == 3)
        recipient->smtp_code = (uint16_t)number;
}

/* Host, codes and the address before a forward; the diagnostic text is the caller's. */
static void take_groups(struct reading *r, struct dsn_recipient *recipient,
                        const struct dsn_captured *captured) {
    struct dsn_strview host = captured->groups[DSN_GROUP_HOST],
                       original = captured->groups[DSN_GROUP_ORIGINAL];
    take_status(recipient, captured);
    if (!recipient->smtp_command)
        recipient->smtp_command = dsn_command_read(captured->groups[DSN_GROUP_COMMAND]);
    if (host.n && !recipient->remote_mta.n)
        recipient->remote_mta = host;
    if (original.n && !recipient->original_recipient.n) {
        struct dsn_strview address = dsn_address_read(r->draft->arena, original, false);
        if (dsn_address_usable(address))
            recipient->original_recipient = address;
    }
}

static void add_line(struct dsn_buffer *out, struct dsn_strview line) {
    if (out->n)
        dsn_buffer_add_char(out, '\n');
    dsn_buffer_add(out, line);
}

enum whose { NOBODYS, SOMEBODYS, OWN };

/* Whether a text that tells of several recipients means this one. */
static enum whose whose(struct reading *r, const struct dsn_recipient *recipient, struct dsn_strview text) {
    if (recipient->final_recipient.n && dsn_sv_find_nocase(text, recipient->final_recipient, 0) != SIZE_MAX)
        return OWN;
    if (dsn_sv_find_char(text, '@', 0) == SIZE_MAX)
        return SOMEBODYS;
    for (size_t i = 0; i < r->draft->n && i < DSN_ADDRESSES_MAX; i++) {
        struct dsn_strview other = r->draft->recipients[i].final_recipient;
        if (other.n && dsn_sv_find_nocase(text, other, 0) != SIZE_MAX)
            return NOBODYS;
    }
    return SOMEBODYS;
}

/* All texts that one expression finds, joined. `shared`: the text tells of several recipients; what names
 * this one is his alone, and what names another one never is. */
static struct dsn_strview pick_one(struct reading *r, const struct dsn_capture *capture,
                                   struct dsn_recipient *recipient, struct dsn_strview text, bool shared) {
    struct dsn_buffer all, own;
    struct dsn_captured captured;
    size_t from = 0;
    dsn_buffer_init(&all, r->draft->arena, 256);
    dsn_buffer_init(&own, r->draft->arena, 256);
    while (from <= text.n && all.n < r->draft->limits->max_field_bytes &&
           dsn_capture_find(capture, r->capture, text, from, &captured)) {
        struct dsn_strview found = captured.groups[DSN_GROUP_DIAGNOSTIC];
        enum whose meant = shared && found.n ? whose(r, recipient, found) : SOMEBODYS;
        if (meant != NOBODYS)
            take_groups(r, recipient, &captured);
        if (found.n && meant != NOBODYS)
            add_line(&all, found);
        if (found.n && meant == OWN)
            add_line(&own, found);
        from = captured.end > captured.begin ? captured.end : captured.end + 1;
        while (from < text.n && (text.p[from] & 0xC0) == 0x80)
            from++;
    }
    return dsn_buffer_view(own.n ? &own : &all);
}

/* What the first expression that finds a text finds; those that find but hosts, codes and addresses all
 * count. */
static struct dsn_strview pick(struct reading *r, const struct dsn_captures *list,
                               struct dsn_recipient *recipient, struct dsn_strview text, bool shared) {
    struct dsn_strview found = DSN_NONE;
    for (size_t i = 0; i < list->n && !found.n; i++)
        found = pick_one(r, list->items[i], recipient, text, shared);
    return found;
}

/* Fills in what the report says about a recipient. */
static void describe(struct reading *r, struct dsn_recipient *recipient, const struct place *place) {
    struct dsn_captured captured;
    struct dsn_strview text = pick(r, &r->format->before, recipient, place->before, false);
    if (!text.n)
        text = pick(r, &r->format->diagnostic, recipient, place->lines, false);
    struct dsn_strview common = pick(r, &r->format->common, recipient, r->report, true);
    if (!text.n)
        text = common.n && !place->own.n ? common : place->lines;
    text = dsn_answer_unfold(r->draft->arena, dsn_utf8_cut(text, r->draft->limits->max_field_bytes));
    if (text.n)
        recipient->diagnostic = text;
    struct dsn_answer answer = dsn_answer_read(text);
    if (recipient->status.cls || recipient->smtp_code || answer.status.cls || answer.smtp_code)
        return;
    uint8_t cls = r->delayed ? 4 : r->format->cls;
    if (cls && find_any(&r->format->temporary, r->capture, text, &captured))
        cls = 4;
    if (cls)
        recipient->status = (struct dsn_status){.cls = cls, .subject = -1, .detail = -1};
}

static bool says_nothing(const struct place *place) {
    return !dsn_sv_trim(place->lines).n;
}

/* A recipient, or, of one who is known already, a better place. `address` absent: the report names nobody
 * that mail could go to. */
static void add_recipient(struct reading *r, struct dsn_strview address, const struct dsn_captured *captured,
                          const struct place *place) {
    struct dsn_recipient *recipient = dsn_draft_find(r->draft, address);
    if (recipient) {
        struct place *known = &r->places[recipient - r->draft->recipients];
        *known = says_nothing(known) ? *place : *known;
        return;
    }
    struct place *places = NULL;
    if (r->draft->n < MAX_PROSE_RECIPIENTS)
        places = dsn_arena_grow(r->draft->arena, r->places, r->draft->n, &r->capacity, sizeof *places);
    recipient = places ? dsn_draft_add(r->draft) : NULL;
    if (!recipient) {
        r->draft->report.truncated = true;
        return;
    }
    r->places = places;
    places[r->draft->n - 1] = *place;
    recipient->final_recipient = address;
    recipient->verdict.kind = r->delayed ? DSN_KIND_DELAY : r->format->kind;
    if (captured)
        take_groups(r, recipient, captured);
}

static void describe_new(struct reading *r) {
    for (; r->described < r->draft->n; r->described++)
        describe(r, &r->draft->recipients[r->described], &r->places[r->described]);
}

/* The text of a recipient: what stands on his own line, and the lines that follow. */
struct block {
    struct dsn_captured captured;
    struct dsn_strview address;
    const char *begin, *end; /* of the lines that follow */
    struct dsn_strview before;
    bool open;    /* there is a recipient */
    bool stopped; /* and the text has left him */
};

static void close_block(struct reading *r, struct block *block) {
    if (!block->open)
        return;
    struct place place = {
        .before = block->before,
        .own = block->captured.groups[DSN_GROUP_DIAGNOSTIC],
        .lines = dsn_sv_range(block->begin, block->end),
    };
    if (place.own.n)
        place.lines = dsn_arena_join(r->draft->arena, place.own, DSN_LIT("\n"), place.lines);
    add_recipient(r, block->address, &block->captured, &place);
    block->open = false;
}

static void open_block(struct reading *r, struct block *block, const struct dsn_captured *captured,
                       struct dsn_strview before, const char *behind) {
    struct dsn_strview address =
        dsn_address_read(r->draft->arena, captured->groups[DSN_GROUP_RECIPIENT], false);
    *block =
        (struct block){.captured = *captured, .begin = behind, .end = behind, .before = before, .open = true};
    if (dsn_address_usable(address))
        block->address = address;
}

static bool find_recipient(struct reading *r, struct dsn_strview line, struct dsn_captured *captured) {
    if (!find_any(&r->format->recipient, r->capture, line, captured))
        return false;
    struct dsn_strview found = captured->groups[DSN_GROUP_RECIPIENT];
    if (!r->format->generic)
        return found.n > 0;
    struct dsn_strview address = dsn_address_read(r->draft->arena, found, false);
    return dsn_address_usable(address) && dsn_prose_may_fail(&r->own, address);
}

static void read_lines(struct reading *r) {
    struct dsn_strview rest = r->report, line;
    struct block block = {0};
    struct dsn_captured captured;
    const char *gap = r->report.p;
    while (r->format->recipient.n && dsn_sv_next_line(&rest, &line)) {
        struct dsn_strview capped = dsn_utf8_cut(line, MAX_LINE_BYTES);
        if (find_recipient(r, capped, &captured)) {
            close_block(r, &block);
            open_block(r, &block, &captured, dsn_sv_range(gap, line.p), rest.p);
            gap = rest.p;
        } else if (block.open && !block.stopped) {
            block.stopped = find_any(&r->format->stop, r->capture, capped, &captured);
            block.end = block.stopped ? block.end : rest.p;
        }
    }
    close_block(r, &block);
}

/* --- recipients that the text does not name
 * ------------------------------------------------------------------------ */

static size_t list_failed(struct dsn_draft *draft, struct dsn_strview out[DSN_ADDRESSES_MAX]) {
    const struct dsn_message *message = draft->message;
    struct dsn_strview header = dsn_header_get(message->headers, message->n_headers, "X-Failed-Recipients");
    size_t n = header.n ? dsn_addresses_of(draft->arena, header, out, DSN_ADDRESSES_MAX) : 0;
    return n < DSN_ADDRESSES_MAX ? n : DSN_ADDRESSES_MAX;
}

static size_t list_addressees(struct reading *r, struct dsn_strview out[DSN_ADDRESSES_MAX]) {
    struct dsn_original original = r->draft->report.original;
    if (!original.headers)
        dsn_original_of(r->draft->message, &original);
    size_t n = original.to.n ? dsn_addresses_of(r->draft->arena, original.to, out, DSN_ADDRESSES_MAX) : 0;
    return n == 1 ? n : 0; /* of several, nobody knows which */
}

/* Gives an address to the recipients that have none (a pipe, a file, a local name), as far as it is certain
 * which. */
static void name_unnamed(struct reading *r) {
    struct dsn_strview listed[DSN_ADDRESSES_MAX];
    size_t n = list_failed(r->draft, listed), free_n = 0, kept = 0, used = 0;
    for (size_t i = 0; i < n; i++) {
        if (!dsn_draft_find(r->draft, listed[i]))
            listed[free_n++] = listed[i];
    }
    if (!free_n && r->draft->n == 1)
        free_n = list_addressees(r, listed);
    for (size_t i = 0; i < r->draft->n; i++) {
        struct dsn_recipient recipient = r->draft->recipients[i];
        if (!recipient.final_recipient.n && used < free_n)
            recipient.final_recipient = listed[used++];
        if (recipient.final_recipient.n || recipient.original_recipient.n)
            r->draft->recipients[kept++] = recipient;
    }
    dsn_draft_keep(r->draft, kept);
}

static void add_listed(struct reading *r, const struct dsn_strview *listed, size_t n) {
    const struct place place = {.lines = r->report};
    for (size_t i = 0; i < n; i++)
        add_recipient(r, listed[i], NULL, &place);
}

static void find_elsewhere(struct reading *r) {
    struct dsn_strview listed[DSN_ADDRESSES_MAX];
    const struct dsn_message *message = r->draft->message;
    if (r->format->replier) {
        struct dsn_strview from = dsn_header_get(message->headers, message->n_headers, "From");
        if (from.n && dsn_addresses_of(r->draft->arena, from, listed, 1))
            add_recipient(r, listed[0], NULL, &(struct place){0});
        return;
    }
    add_listed(r, listed, list_failed(r->draft, listed));
    if (!r->draft->n && r->format->anywhere)
        add_listed(r, listed, dsn_prose_address(r->draft, &r->own, r->report, &listed[0]));
    if (!r->draft->n && r->format->from_original)
        add_listed(r, listed, list_addressees(r, listed));
}

static void finish(struct reading *r) {
    for (size_t i = 0; i < r->draft->n; i++) {
        struct dsn_recipient *recipient = &r->draft->recipients[i];
        recipient->recipient_from = DSN_FROM_PROSE;
        recipient->recipient =
            recipient->final_recipient.n ? recipient->final_recipient : recipient->original_recipient;
    }
    r->draft->report.format = dsn_sv_str(r->format->name);
    r->draft->report.guessed = r->format->generic;
}

static bool read_by(struct reading *r, struct dsn_strview text, size_t border) {
    if (r->format->kind == DSN_KIND_NONE) {
        r->draft->report.format = dsn_sv_str(r->format->name);
        return true;
    }
    if (!find_report(r, text, border))
        return false;
    read_returned(r);
    if (r->format->generic || r->format->anywhere)
        dsn_prose_own_read(r->draft, &r->own);
    if (!r->format->from_header)
        read_lines(r);
    describe_new(r);
    name_unnamed(r);
    if (!r->draft->n) {
        r->described = 0;
        find_elsewhere(r);
        describe_new(r);
    }
    finish(r);
    return r->draft->n > 0;
}

/* --- all formats
 * --------------------------------------------------------------------------------------------------- */

static enum dsn_format_rank rank_of(const struct dsn_format *format) {
    bool other = format->kind == DSN_KIND_NONE || format->kind == DSN_KIND_AUTO_REPLY;
    return format->generic ? DSN_FORMAT_GUESS : other ? DSN_FORMAT_OTHER : DSN_FORMAT_REPORT;
}

/* Whether a text begins with "Name: value". */
static bool is_field(struct dsn_strview text) {
    size_t n = 0;
    while (n < text.n && (dsn_is_alnum(text.p[n]) || text.p[n] == '-'))
        n++;
    return n > 1 && n < text.n && text.p[n] == ':';
}

static void forget(struct dsn_draft *draft, const struct dsn_report *before) {
    draft->report = *before;
    dsn_draft_keep(draft, 0);
}

/* Whether the message can be a report by its header: a person may quote one. */
static bool is_evident(const struct dsn_formats *formats, const struct dsn_formats_scratch *scratch,
                       const struct dsn_message *message) {
    return !formats->asks_header || scratch->held[formats->n + DSN_SHARED_REPORT] || message->report_type.n;
}

static bool may_be(const struct dsn_format *format, enum dsn_format_rank rank, bool evident) {
    return rank_of(format) == rank && (evident || rank != DSN_FORMAT_REPORT || !format->evident_only);
}

bool dsn_format_read(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                     struct dsn_draft *draft, enum dsn_format_rank rank) {
    if (!formats || !scratch)
        return false;
    recognise(formats, scratch, draft);
    const struct dsn_report before = draft->report;
    bool evident = is_evident(formats, scratch, draft->message);
    const struct dsn_captures none = {0},
                              *delay = scratch->held[formats->n + DSN_SHARED_DELAY] ? &formats->delay : &none;
    for (size_t i = 0; i < formats->n; i++) {
        const struct dsn_format *format = &formats->items[i];
        if (!may_be(format, rank, evident) || scratch->vetoed[i] || scratch->held[i] != format->n_conditions)
            continue;
        struct reading r = {.format = format, .delay = delay, .capture = scratch->capture, .draft = draft};
        if (read_by(&r, scratch->text, scratch->border))
            return true;
        forget(draft, &before);
    }
    return false;
}

/* The text from the first field of the returned message on. */
static struct dsn_strview returned_text(struct dsn_formats_scratch *scratch) {
    struct dsn_strview text = dsn_sv_from(scratch->text, scratch->border), line;
    while (text.n && !is_field(text))
        dsn_sv_next_line(&text, &line);
    return text;
}

enum dsn_returned dsn_format_returned(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                                      struct dsn_draft *draft) {
    recognise(formats, scratch, draft);
    struct dsn_strview text = returned_text(scratch), line = DSN_LIT("-");
    while (line.n && dsn_sv_next_line(&text, &line))
        ;
    return !line.n                             ? DSN_RETURNED_HEADER
           : scratch->border < scratch->text.n ? DSN_RETURNED_BEGUN
                                               : DSN_RETURNED_NOT;
}

struct dsn_message *dsn_format_embedded(const struct dsn_formats *formats,
                                        struct dsn_formats_scratch *scratch, struct dsn_draft *draft) {
    if (!formats || !scratch)
        return NULL;
    recognise(formats, scratch, draft);
    struct dsn_strview text = returned_text(scratch);
    struct dsn_message *message = text.n ? dsn_arena_alloc(draft->arena, sizeof *message) : NULL;
    return message && dsn_message_read(draft->arena, draft->limits, text, message) == DSN_OK ? message : NULL;
}

static bool lacks_answer(const struct dsn_recipient *recipient) {
    return !recipient->diagnostic.n || !dsn_answer_read(recipient->diagnostic).smtp_code;
}

static void supplement(struct dsn_recipient *recipient, const struct dsn_recipient *human) {
    bool says_code = dsn_answer_read(human->diagnostic).smtp_code;
    if (!recipient->diagnostic.n || says_code)
        recipient->diagnostic = human->diagnostic;
    if (!recipient->remote_mta.n)
        recipient->remote_mta = human->remote_mta;
    if (!recipient->smtp_code)
        recipient->smtp_code = human->smtp_code;
    if (!recipient->smtp_command)
        recipient->smtp_command = human->smtp_command;
}

void dsn_format_supplement(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                           struct dsn_draft *draft) {
    bool lacking = false;
    for (size_t i = 0; i < draft->n; i++)
        lacking |= lacks_answer(&draft->recipients[i]);
    struct dsn_draft human = {.arena = draft->arena,
                              .limits = draft->limits,
                              .message = draft->message,
                              .report = draft->report,
                              .human = draft->human};
    bool found = lacking && dsn_format_read(formats, scratch, &human, DSN_FORMAT_REPORT);
    for (size_t i = 0; found && i < draft->n; i++) {
        struct dsn_recipient *recipient = &draft->recipients[i];
        struct dsn_recipient *same = dsn_draft_find(&human, recipient->final_recipient);
        if (!same && recipient->original_recipient.n)
            same = dsn_draft_find(&human, recipient->original_recipient);
        if (!same && draft->n == 1 && human.n == 1)
            same = &human.recipients[0];
        if (same && lacks_answer(recipient))
            supplement(recipient, same);
    }
    dsn_draft_keep(&human, 0);
}

bool dsn_formats_guesses(const struct dsn_formats *formats, struct dsn_strview name) {
    for (size_t i = 0; formats && i < formats->n; i++) {
        if (dsn_sv_eq(name, dsn_sv_str(formats->items[i].name)))
            return formats->items[i].generic;
    }
    return false;
}

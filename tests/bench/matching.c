/* matching: what the rules cost. Loads the built-in rules, with a rule of one's own, and with as many again
 * of one's own; classifies a table of real answers (tests/diagnostics.tsv) on one thread, and prints what it
 * took. All times are the thread's own, so that other work on the machine counts for little. */
#include "base/sv.h"
#include "dsn/dsn.h"
#include "mail/answer.h"
#include "verdict/builtin.h"
#include "verdict/knowledge.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 200, LONG_BYTES = 8 * 1024, MIN_WORD = 3 };

static const char one_rule[] = "[own]\nmatch = a rule of your own\nreason = policy-violation\nexample = x\n";

struct bench {
    GPtrArray *answers;
    size_t mean_bytes;  /* of an answer */
    GString *long_text; /* the answers in one, of LONG_BYTES */
    GArray *again;      /* of struct dsn_knowledge_file: the built-in rules in words that nobody uses */
    struct dsn_knowledge *knowledge;
    struct dsn_reader *reader;
    struct dsn_matcher_scratch *scratch;
};

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "matching: %s\n", what);
    exit(EXIT_FAILURE);
}

static void read_answers(struct bench *b, const char *path) {
    char *table = NULL;
    must(g_file_get_contents(path, &table, NULL, NULL), "the table of answers cannot be read");
    char **lines = g_strsplit(table, "\n", -1);
    b->answers = g_ptr_array_new_with_free_func(g_free);
    b->long_text = g_string_new(NULL);
    for (size_t i = 0; lines[i]; i++) {
        if (!*lines[i] || lines[i][0] == '#')
            continue;
        lines[i][strcspn(lines[i], "\t")] = '\0';
        g_ptr_array_add(b->answers, g_strdup(lines[i]));
        g_string_append_printf(b->long_text, "%s ", lines[i]);
    }
    b->mean_bytes = b->long_text->len / MAX(b->answers->len, 1) - 1;
    must(b->long_text->len >= LONG_BYTES, "the table of answers is too short");
    g_string_truncate(b->long_text, LONG_BYTES);
    g_strfreev(lines);
    g_free(table);
}

/* Turns each word of an expression around: as costly as it was, and another one. Escapes stay; an expression
 * without a word gets one. */
static void add_turned(GString *out, const char *match) {
    gsize begin = out->len;
    for (const char *p = match; *p;) {
        size_t n = 0;
        while (dsn_is_alpha(p[n]))
            n++;
        if (n < MIN_WORD || (p > match && p[-1] == '\\')) {
            g_string_append_c(out, *p++);
            continue;
        }
        for (size_t i = n; i-- > 0;)
            g_string_append_c(out, p[i]);
        p += n;
    }
    if (strcmp(out->str + begin, match) == 0)
        g_string_insert(out, (gssize)begin, "(again)?");
}

/* The rules of a file with other ids and other words. */
static char *turn_file(struct dsn_strview text) {
    GString *out = g_string_new(NULL);
    struct dsn_strview line;
    while (dsn_sv_next_line(&text, &line)) {
        char *copy = g_strndup(line.p, line.n);
        const char *equals = g_str_has_prefix(copy, "match") ? strchr(copy, '=') : NULL;
        if (equals) {
            g_string_append(out, "match =");
            add_turned(out, equals + 1);
        } else {
            g_string_append(out, copy);
            if (copy[0] == '[')
                g_string_insert(out, (gssize)(out->len - line.n + 1), "again-");
        }
        g_string_append_c(out, '\n');
        g_free(copy);
    }
    return g_string_free(out, FALSE);
}

static void make_again(struct bench *b) {
    b->again = g_array_new(FALSE, FALSE, sizeof(struct dsn_knowledge_file));
    for (size_t i = 0; i < dsn_builtin_files_count; i++) {
        const struct dsn_knowledge_file *file = &dsn_builtin_files[i];
        if (!g_str_has_suffix(file->name, ".rules"))
            continue;
        struct dsn_knowledge_file turned = {g_strdup_printf("rules/again-%s", file->name + strlen("rules/")),
                                            dsn_sv_str(turn_file(file->text))};
        g_array_append_val(b->again, turned);
    }
}

/* Returns the microseconds that it took. */
static double load(struct bench *b, const struct dsn_knowledge_file *files, size_t n) {
    struct dsn_problems *problems = dsn_problems_new();
    double begin = now_us();
    enum dsn_error error = dsn_knowledge_new(files, n, problems, &b->knowledge);
    if (!error)
        error = dsn_reader_new(b->knowledge, NULL, &b->reader);
    double took = now_us() - begin;
    for (size_t i = 0; i < dsn_problems_count(problems); i++)
        fprintf(stderr, "%s\n", dsn_problems_get(problems, i));
    dsn_problems_free(problems);
    must(!error, dsn_error_text(error));
    must(dsn_rules_scratch_fit(dsn_knowledge_rules(b->knowledge), &b->scratch) == DSN_OK, "no memory");
    return took;
}

static void unload(struct bench *b) {
    dsn_matcher_scratch_free(b->scratch);
    b->scratch = NULL;
    dsn_reader_free(b->reader);
    dsn_knowledge_unref(b->knowledge);
}

static void ignore_match(const struct dsn_rule *rule, void *data) {
    (void)rule, (void)data;
}

static void match(struct bench *b, struct dsn_strview text,
                  void (*matched)(const struct dsn_rule *rule, void *data)) {
    struct dsn_answer answer = dsn_answer_read(text);
    const struct dsn_rule_facts facts = {
        .smtp_code = answer.smtp_code, .status = answer.status, .text = text};
    dsn_rules_best(dsn_knowledge_rules(b->knowledge), b->scratch, &facts, matched, NULL);
}

static void match_all(struct bench *b) {
    for (guint i = 0; i < b->answers->len; i++)
        match(b, dsn_sv_str(b->answers->pdata[i]), NULL);
}

/* Every rule is looked at: the most that a text of that length costs. */
static void match_long(struct bench *b) {
    match(b, dsn_sv(b->long_text->str, b->long_text->len), ignore_match);
}

static void classify_all(struct bench *b) {
    const struct dsn_recipient *recipient;
    for (guint i = 0; i < b->answers->len; i++)
        must(dsn_reader_classify(b->reader, dsn_sv_str(b->answers->pdata[i]), DSN_NONE, &recipient) == DSN_OK,
             "an answer cannot be classified");
}

/* The fastest of many rounds, in microseconds: whatever else the machine does only ever adds to it. */
static double time_of(struct bench *b, void (*work)(struct bench *b)) {
    double best = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        double begin = now_us();
        work(b);
        double took = now_us() - begin;
        best = i && best < took ? best : took;
    }
    return best;
}

static void measure(struct bench *b, const char *name, const struct dsn_knowledge_file *files, size_t n) {
    size_t n_rules;
    double loaded = load(b, files, n), answers = b->answers->len;
    dsn_rules_all(dsn_knowledge_rules(b->knowledge), &n_rules);
    printf("%-32s %6zu %9.0f %9.2f %9.2f %9.1f\n", name, n_rules, loaded / 1e3,
           time_of(b, match_all) / answers, time_of(b, classify_all) / answers, time_of(b, match_long));
    fflush(stdout);
    unload(b);
}

int main(int argc, char **argv) {
    struct bench b = {0};
    const struct dsn_knowledge_file one = {"rules/own.rules", DSN_LIT(one_rule)};
    must(argc == 2, "usage: matching tests/diagnostics.tsv");
    read_answers(&b, argv[1]);
    make_again(&b);
    printf("%u answers of %zu bytes on average, one thread, CPU time\n\n", b.answers->len, b.mean_bytes);
    printf("%-32s %6s %9s %9s %9s %9s\n%-32s %6s %9s %9s %9s %9s\n", "", "", "loading", "matching", "verdict",
           "matching", "", "rules", "ms", "us/answer", "us/answer", "us/8 KiB");
    measure(&b, "built in", NULL, 0);
    measure(&b, "built in, one of one's own", &one, 1);
    measure(&b, "built in, as many of one's own", (const struct dsn_knowledge_file *)(void *)b.again->data,
            b.again->len);
    for (guint i = 0; i < b.again->len; i++) {
        struct dsn_knowledge_file *file = &g_array_index(b.again, struct dsn_knowledge_file, i);
        g_free((char *)(guintptr)file->name);
        g_free((char *)(guintptr)file->text.p);
    }
    g_array_free(b.again, TRUE);
    g_string_free(b.long_text, TRUE);
    g_ptr_array_free(b.answers, TRUE);
    return EXIT_SUCCESS;
}

/* classify: how a program of your own uses libdsn: it says what the answers of mail servers mean.
 *
 *     cc classify.c $(pkg-config --cflags --libs dsn) -o classify
 *     ./classify "550 5.1.1 no such user"
 *     ./classify < answers.txt
 *
 * Prints type, reason, action and the rule that decided, with tabs between them; "-" where there is none. */
#include <dsn/dsn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *or_dash(const char *s) {
    return s ? s : "-";
}

/* The recipient, and all that its verdict points to, lives until the reader's next answer. */
static enum dsn_error classify(struct dsn_reader *reader, const char *answer) {
    const struct dsn_recipient *recipient;
    struct dsn_strview text = {answer, strlen(answer)};
    enum dsn_error error = dsn_reader_classify(reader, text, (struct dsn_strview){NULL, 0}, &recipient);
    if (error)
        return error;
    const struct dsn_verdict *verdict = &recipient->verdict;
    printf("%s\t%s\t%s\t%s\n", or_dash(dsn_type_name(verdict->type)),
           verdict->reason ? verdict->reason->name : "-", dsn_action_name(verdict->action),
           or_dash(verdict->rule));
    return DSN_OK;
}

static enum dsn_error classify_lines(struct dsn_reader *reader) {
    enum dsn_error error = DSN_OK;
    char *line = NULL;
    size_t size = 0;
    while (!error && getline(&line, &size, stdin) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        error = classify(reader, line);
    }
    free(line);
    return error;
}

int main(int argc, char **argv) {
    struct dsn_knowledge *knowledge = NULL; /* one for all threads ... */
    struct dsn_reader *reader = NULL;       /* ... and a reader for each */
    enum dsn_error error = dsn_knowledge_new_builtin(&knowledge);
    if (!error)
        error = dsn_reader_new(knowledge, NULL, &reader);
    if (!error)
        error = argc > 1 ? classify(reader, argv[1]) : classify_lines(reader);
    if (error)
        fprintf(stderr, "classify: %s\n", dsn_error_text(error));
    dsn_reader_free(reader);
    dsn_knowledge_unref(knowledge);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

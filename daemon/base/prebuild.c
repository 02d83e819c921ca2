/* prebuild: the program that the build runs to read the built-in knowledge and to compile its patterns:
 * prebuild OUT.c. It stands in for prebuilt.c, and writes down whatever has to be read and compiled. */
#include "dsn/reader.h"
#include "prebuilt.h"
#include "verdict/builtin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_A_LINE = 32 };

static FILE *out; /* a program of its own, for the length of a build step */
static struct dsn_keyfile *files;
static size_t count;
static size_t n_patterns[64]; /* of each database */

const struct dsn_keyfile *dsn_prebuilt_files(void) {
    return files;
}

const struct dsn_prebuilt *dsn_prebuilt_all(size_t *n) {
    *n = 0;
    return NULL;
}

bool dsn_prebuilt_wanted(void) {
    return true;
}

static void write_bytes(const char *p, size_t n) {
    for (size_t i = 0; i < n; i += BYTES_A_LINE) {
        fputs("\n    \"", out);
        for (size_t j = i; j < n && j < i + BYTES_A_LINE; j++)
            fprintf(out, "\\%03o", (unsigned char)p[j]);
        fputc('"', out);
    }
}

static void write_text(const char *text) {
    fputs("\"\"", out);
    write_bytes(text, strlen(text));
}

void dsn_prebuilt_add(const struct dsn_prebuilt *built) {
    if (count >= sizeof n_patterns / sizeof n_patterns[0]) {
        fputs("prebuild: more databases than expected\n", stderr);
        exit(EXIT_FAILURE);
    }
    fprintf(out, "static const char *const patterns_%zu[] = {", count);
    for (size_t i = 0; i < built->n; i++) {
        write_text(built->patterns[i]);
        fputc(',', out);
    }
    fprintf(out, "};\nstatic const char database_%zu[] =", count);
    write_bytes(built->bytes.p, built->bytes.n);
    fputs(";\n", out);
    n_patterns[count++] = built->n;
}

static void write_table(void) {
    fputs("const struct dsn_prebuilt dsn_prebuilt_table[] = {\n", out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "    {patterns_%zu, %zu, {database_%zu, sizeof database_%zu - 1}},\n", i, n_patterns[i],
                i, i);
    fprintf(out, "};\nconst size_t dsn_prebuilt_count = %zu;\n", count);
}

static void write_keys(size_t file, size_t group, const struct dsn_keyfile_group *g) {
    fprintf(out, "static const struct dsn_keyfile_key keys_%zu_%zu[] = {", file, group);
    for (size_t i = 0; i < g->n; i++) {
        fputs("\n    {", out);
        write_text(g->keys[i].name);
        fputs(", ", out);
        write_text(g->keys[i].value);
        fprintf(out, ", %u},", g->keys[i].line);
    }
    fputs("};\n", out);
}

static void write_groups(size_t file, const struct dsn_keyfile *kf) {
    for (size_t i = 0; i < kf->n; i++)
        write_keys(file, i, &kf->groups[i]);
    fprintf(out, "static const struct dsn_keyfile_group groups_%zu[] = {", file);
    for (size_t i = 0; i < kf->n; i++) {
        fputs("\n    {", out);
        write_text(kf->groups[i].name);
        fprintf(out, ", %u, keys_%zu_%zu, %zu},", kf->groups[i].line, file, i, kf->groups[i].n);
    }
    fputs("};\n", out);
}

static void write_files(void) {
    for (size_t i = 0; i < dsn_builtin_files_count; i++)
        write_groups(i, &files[i]);
    fputs("const struct dsn_keyfile dsn_prebuilt_keyfiles[] = {\n", out);
    for (size_t i = 0; i < dsn_builtin_files_count; i++)
        fprintf(out, "    {\"%s\", groups_%zu, %zu, NULL},\n", files[i].name, i, files[i].n);
    fputs("};\n", out);
}

static enum dsn_error read_files(struct dsn_problems *problems) {
    files = g_new0(struct dsn_keyfile, dsn_builtin_files_count);
    for (size_t i = 0; i < dsn_builtin_files_count; i++) {
        struct dsn_keyfile *kf;
        const struct dsn_knowledge_file *file = &dsn_builtin_files[i];
        enum dsn_error error = dsn_keyfile_new(file->name, file->text, false, problems, &kf);
        if (error)
            return error;
        files[i] = *kf;
        g_free(kf);
    }
    return DSN_OK;
}

int main(int argc, char **argv) {
    struct dsn_knowledge *knowledge = NULL;
    out = argc == 2 ? fopen(argv[1], "w") : NULL;
    if (!out) {
        fputs("usage: prebuild OUT.c\n", stderr);
        return EXIT_FAILURE;
    }
    fputs("/* made by base/prebuild.c */\n#include \"base/prebuilt.h\"\n\n", out);
    struct dsn_problems *problems = dsn_problems_new();
    enum dsn_error error = read_files(problems);
    if (!error)
        error = dsn_knowledge_new(NULL, 0, problems, &knowledge);
    for (size_t i = 0; i < dsn_problems_count(problems); i++)
        fprintf(stderr, "config/%s\n", dsn_problems_get(problems, i));
    dsn_problems_free(problems);
    if (error)
        return EXIT_FAILURE;
    dsn_knowledge_unref(knowledge);
    write_files();
    write_table();
    return fclose(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* proof: tries every rule on its own examples. Knows rules and how an answer is read, nothing of where rules
 * come from. */
#include "proof.h"
#include "base/sv.h"
#include "mail/answer.h"
#include "mail/command.h"

struct proof {
    const struct dsn_rules *rules;
    struct dsn_arena *arena;
    struct dsn_matcher_scratch *scratch;
    struct dsn_problems *problems;
};

static bool prove_example(struct proof *proof, const struct dsn_rule *rule, const char *example) {
    dsn_arena_reset(proof->arena);
    struct dsn_strview text = dsn_answer_unfold(proof->arena, dsn_sv_str(example));
    struct dsn_answer answer = dsn_answer_read(text);
    struct dsn_rule_facts facts = {
        .provider = rule->provider,
        .smtp_code = answer.smtp_code,
        .status = answer.status,
        .command = rule->command ? rule->command : dsn_command_of_answer(text),
        .text = text,
    };
    const struct dsn_rule *best = dsn_rules_best(proof->rules, proof->scratch, &facts, NULL, NULL);
    if (best == rule)
        return true;
    dsn_problems_add(proof->problems, rule->file, rule->line,
                     "[%s] does not decide its own example \"%s\": %s%s; expected this rule to win", rule->id,
                     example, best ? "that goes to " : "no rule matches it", best ? best->id : "");
    return false;
}

bool dsn_knowledge_prove(const struct dsn_knowledge *knowledge, struct dsn_problems *problems,
                         size_t *n_examples) {
    struct proof proof = {
        .rules = dsn_knowledge_rules(knowledge), .arena = dsn_arena_new(), .problems = problems};
    size_t n, tried = 0;
    const struct dsn_rule *const *rules = dsn_rules_all(proof.rules, &n);
    bool proved = true, good = proof.arena && !dsn_rules_scratch_fit(proof.rules, &proof.scratch);
    for (size_t i = 0; good && i < n; i++) {
        for (const char **example = rules[i]->examples; *example; example++, tried++)
            proved &= prove_example(&proof, rules[i], *example);
    }
    dsn_matcher_scratch_free(proof.scratch);
    dsn_arena_free(proof.arena);
    if (n_examples)
        *n_examples = tried;
    return good && proved;
}

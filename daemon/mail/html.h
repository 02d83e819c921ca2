/* html: the text of an HTML page, as far as a report needs it. */
#ifndef MAIL_HTML_H
#define MAIL_HTML_H

#include "base/arena.h"

/* What a reader would see, block elements on lines of their own, entities decoded, scripts and styles gone.
 * Valid UTF-8 in, valid UTF-8 out; linear time. */
struct dsn_strview dsn_html_text(struct dsn_arena *arena, struct dsn_strview html);

#endif

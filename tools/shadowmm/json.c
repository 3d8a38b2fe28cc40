// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include "cli.h"

long json_num(json_t *obj, const char *key)
{
	return (long)json_integer_value(json_object_get(obj, key));
}

const char *json_str(json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : "";
}

bool json_bool(json_t *obj, const char *key)
{
	return json_is_true(json_object_get(obj, key));
}

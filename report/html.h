// SPDX-License-Identifier: Apache-2.0
// Texts and tables as HTML, for pages (report/plot.h).
#pragma once

#include <string>
#include <string_view>

#include "report/table.h"

namespace silicast {

// With '<' and '&' as HTML spells them in its text.
std::string html_text(std::string_view text);
// A table element, for people.
std::string table_html(const Table& table);

}  // namespace silicast

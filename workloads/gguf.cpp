// SPDX-License-Identifier: Apache-2.0
// The bytes of a GGUF. Every count is checked against the bytes that are left before anything is allocated for it,
// arrays are skipped rather than stored, and reading stops where the tensor data begins.
#include "workloads/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <system_error>

#include "base/error.h"
#include "base/text.h"
#include "workloads/gguf_metadata.h"

namespace silicast {

namespace {

constexpr std::uint64_t header_limit = std::uint64_t{64} << 20;  // real headers: 1 to 20 MiB, mostly vocabulary
constexpr std::uint64_t most_metadata = 1 << 16;
constexpr std::uint64_t most_tensors = 1 << 18;
constexpr std::uint64_t longest_key = 65535;          // the specification's limit
constexpr std::uint64_t longest_tensor_name = 255;    // ggml: 63, more in builds that raise GGML_MAX_NAME
constexpr std::uint64_t longest_stored_array = 4096;  // per-layer arrays; vocabularies are longer
constexpr std::uint32_t most_dimensions = 4;          // GGML_MAX_DIMS
constexpr std::uint64_t largest_alignment = 1 << 20;
constexpr std::uint64_t most_elements = std::uint64_t{1} << 60;

// The value types of the metadata by number; 0 bytes: of varying size.
enum ValueKind : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };
struct ValueType {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<ValueType, 13> value_types{{{"uint8", 1},
                                                 {"int8", 1},
                                                 {"uint16", 2},
                                                 {"int16", 2},
                                                 {"uint32", 4},
                                                 {"int32", 4},
                                                 {"float32", 4},
                                                 {"bool", 1},
                                                 {"string", 0},
                                                 {"array", 0},
                                                 {"uint64", 8},
                                                 {"int64", 8},
                                                 {"float64", 8}}};

// Delivers the next bytes of the file; fewer than asked for at its end.
using Refill = std::function<std::size_t(std::byte*, std::size_t)>;

// Reads forward through a header, with a window of one chunk.
class Cursor {
 public:
  Cursor(Refill refill, std::uint64_t size, std::string file)
      : refill_(std::move(refill)), size_(size), file_(std::move(file)), window_(chunk) {}

  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t remaining() const { return size_ - position_; }
  [[nodiscard]] const std::string& file() const { return file_; }

  [[noreturn]] void fail(std::uint64_t at, const std::string& what) const {
    throw InputError(file_ + ": byte " + std::to_string(at) + ": " + what);
  }

  // That so many bytes are there, before anything relies on them.
  void need(std::uint64_t bytes, std::string_view what) const {
    if (bytes > remaining())
      fail(position_, std::string(what) + " needs " + std::to_string(bytes) + " bytes, but " +
                          std::to_string(remaining()) + " are left; the file is truncated or damaged");
    if (position_ + bytes > header_limit)
      fail(position_, std::string(what) + " goes beyond the first " + std::to_string(header_limit >> 20) +
                          " MiB, the longest header that is accepted");
  }

  void take(std::span<std::byte> to, std::string_view what) {
    need(to.size(), what);
    consume(to.size(), what, [&](std::span<const std::byte> piece) {
      std::copy(piece.begin(), piece.end(), to.begin());
      to = to.subspan(piece.size());
    });
  }

  void skip(std::uint64_t bytes, std::string_view what) {
    need(bytes, what);
    consume(bytes, what, [](std::span<const std::byte>) {});
  }

  template <class T>
  T number(std::string_view what) {
    std::array<std::byte, sizeof(T)> raw{};
    take(raw, what);
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < raw.size(); ++i) bits |= std::to_integer<std::uint64_t>(raw[i]) << (8 * i);
    if constexpr (std::is_same_v<T, float>)
      return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    else if constexpr (std::is_same_v<T, double>)
      return std::bit_cast<double>(bits);
    else
      return static_cast<T>(bits);
  }

  std::string text(std::string_view what, std::uint64_t longest = header_limit) {
    const std::uint64_t at = position_;
    const auto length = number<std::uint64_t>(what);
    if (length > longest)
      fail(at, std::string(what) + " is " + std::to_string(length) + " bytes long; at most " + std::to_string(longest) +
                   " are accepted");
    need(length, what);
    std::string result(static_cast<std::size_t>(length), '\0');
    take(std::as_writable_bytes(std::span(result)), what);
    return result;
  }

 private:
  static constexpr std::size_t chunk = 1 << 16;

  template <class Use>
  void consume(std::uint64_t bytes, std::string_view what, Use&& use) {
    while (bytes > 0) {
      if (begin_ == end_) {
        begin_ = 0;
        end_ = refill_(window_.data(), window_.size());
        if (end_ == 0) fail(position_, std::string(what) + " cannot be read: the file ends or reading failed");
      }
      const std::size_t piece = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, end_ - begin_));
      use(std::span<const std::byte>(window_).subspan(begin_, piece));
      begin_ += piece;
      position_ += piece;
      bytes -= piece;
    }
  }

  Refill refill_;
  std::uint64_t size_;
  std::string file_;
  std::vector<std::byte> window_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t position_ = 0;
};

std::string type_names() {
  std::string names;
  for (const auto& type : value_types) names += (names.empty() ? "" : ", ") + std::string(type.name);
  return names;
}

std::uint32_t read_value_type(Cursor& cursor, const std::string& what) {
  const std::uint64_t at = cursor.position();
  const auto type = cursor.number<std::uint32_t>(what);
  if (type >= value_types.size())
    cursor.fail(at, what + " is the unknown value type " + std::to_string(type) + "; known are 0 to " +
                        std::to_string(value_types.size() - 1) + " (" + type_names() + ")");
  return type;
}

bool read_bool(Cursor& cursor, const std::string& what) {
  const std::uint64_t at = cursor.position();
  const auto value = cursor.number<std::uint8_t>(what);
  if (value > 1) cursor.fail(at, what + " is a bool of value " + std::to_string(value) + "; 0 and 1 are accepted");
  return value == 1;
}

GgufValue read_scalar(Cursor& cursor, std::uint32_t type, const std::string& what) {
  switch (type) {
    case u8: return std::uint64_t{cursor.number<std::uint8_t>(what)};
    case i8: return std::int64_t{cursor.number<std::int8_t>(what)};
    case u16: return std::uint64_t{cursor.number<std::uint16_t>(what)};
    case i16: return std::int64_t{cursor.number<std::int16_t>(what)};
    case u32: return std::uint64_t{cursor.number<std::uint32_t>(what)};
    case i32: return std::int64_t{cursor.number<std::int32_t>(what)};
    case f32: return double{cursor.number<float>(what)};
    case boolean: return read_bool(cursor, what);
    case u64: return cursor.number<std::uint64_t>(what);
    case i64: return cursor.number<std::int64_t>(what);
    case f64: return cursor.number<double>(what);
    default: break;
  }
  return cursor.text(what);
}

GgufArray read_array(Cursor& cursor, const std::string& what) {
  GgufArray result;
  const std::uint64_t at = cursor.position();
  result.element_type = read_value_type(cursor, what);
  if (result.element_type == array) cursor.fail(at, what + " is an array of arrays, which is not accepted");
  result.count = cursor.number<std::uint64_t>(what);
  result.position = cursor.position();
  constexpr std::uint64_t length_field = 8;
  const bool strings = result.element_type == text;
  const std::uint64_t least = strings ? length_field : value_types[result.element_type].bytes;
  if (result.count > cursor.remaining() / least)
    cursor.fail(at, what + " claims " + std::to_string(result.count) + " elements, but " +
                        std::to_string(cursor.remaining()) + " bytes are left; the file is truncated or damaged");
  if (strings) {
    for (std::uint64_t i = 0; i < result.count; ++i) cursor.skip(cursor.number<std::uint64_t>(what), what);
    return result;
  }
  const bool whole = result.element_type != f32 && result.element_type != f64;
  if (!whole || result.count > longest_stored_array) {
    cursor.skip(result.count * least, what);
    return result;
  }
  result.integers.reserve(static_cast<std::size_t>(result.count));
  for (std::uint64_t i = 0; i < result.count; ++i)
    result.integers.push_back(
        integer_of(read_scalar(cursor, result.element_type, what)).value_or(std::numeric_limits<std::int64_t>::max()));
  return result;
}

void read_entry(Cursor& cursor, GgufFile& file) {
  const std::uint64_t at = cursor.position();
  std::string key = cursor.text("a metadata key", longest_key);
  if (key.empty()) cursor.fail(at, "a metadata key is empty");
  const std::string what = "the value of " + printable(key);
  const std::uint64_t begin = cursor.position();
  const auto type = read_value_type(cursor, what);
  GgufValue value = type == array ? GgufValue(read_array(cursor, what)) : read_scalar(cursor, type, what);
  file.metadata.emplace_back(std::move(key), std::move(value));
  file.metadata_ranges.emplace_back(begin, cursor.position());
}

void read_magic(Cursor& cursor, GgufFile& file) {
  std::array<std::byte, 4> magic{};
  cursor.take(magic, "the magic 'GGUF'");
  const std::string_view seen(reinterpret_cast<const char*>(magic.data()), magic.size());
  if (seen != "GGUF") cursor.fail(0, "begins with " + printable(seen) + "; a GGUF begins with 'GGUF'");
  const std::uint64_t at = cursor.position();
  file.version = cursor.number<std::uint32_t>("the version");
  constexpr std::uint32_t low_half = 0xFFFF;
  if (file.version != 0 && (file.version & low_half) == 0)
    cursor.fail(at, "a big-endian GGUF (its version reads as " + std::to_string(file.version) +
                        "); only little-endian files are accepted");
  if (file.version != 2 && file.version != 3)
    cursor.fail(at, "GGUF version " + std::to_string(file.version) + "; versions 2 and 3 are accepted");
}

std::uint64_t read_count(Cursor& cursor, const std::string& what, std::uint64_t most) {
  const std::uint64_t at = cursor.position();
  const auto count = cursor.number<std::uint64_t>("the number of " + what);
  if (count > most)
    cursor.fail(at,
                "claims " + std::to_string(count) + " " + what + "; at most " + std::to_string(most) + " are accepted");
  return count;
}

void read_metadata(Cursor& cursor, GgufFile& file, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) read_entry(cursor, file);
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : file.metadata) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end())
    throw InputError(cursor.file() + ": key " + printable(*twice) + ": twice in the metadata; once is accepted");
}

std::uint64_t alignment_of(const GgufFile& file, const std::string& name) {
  constexpr std::uint64_t usual = 32;
  const GgufValue* value = file.find("general.alignment");
  if (value == nullptr) return usual;
  const auto alignment = integer_of(*value);
  if (!alignment || *alignment <= 0 || !std::has_single_bit(static_cast<std::uint64_t>(*alignment)) ||
      static_cast<std::uint64_t>(*alignment) > largest_alignment)
    throw InputError(name + ": key 'general.alignment': " +
                     (alignment ? "is " + std::to_string(*alignment) : std::string("is no whole number")) +
                     "; a power of two up to " + std::to_string(largest_alignment) + " is accepted");
  return static_cast<std::uint64_t>(*alignment);
}

std::vector<std::int64_t> read_shape(Cursor& cursor, const std::string& what) {
  const std::uint64_t at = cursor.position();
  const auto dimensions = cursor.number<std::uint32_t>(what);
  if (dimensions == 0 || dimensions > most_dimensions)
    cursor.fail(at, what + " has " + std::to_string(dimensions) + " dimensions; 1 to " +
                        std::to_string(most_dimensions) + " are accepted");
  std::vector<std::int64_t> shape;
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto size = cursor.number<std::uint64_t>(what);
    if (size == 0 || size > most_elements / elements)
      cursor.fail(at, what + ": dimension " + std::to_string(i) + " is " + std::to_string(size) +
                          (size == 0 ? "; at least 1 is accepted" : ", which makes more weights than any file holds"));
    elements *= size;
    shape.push_back(static_cast<std::int64_t>(size));
  }
  return shape;
}

GgufTensor read_tensor(Cursor& cursor, const TypeTable& types, std::uint64_t alignment) {
  GgufTensor tensor;
  const std::uint64_t at = cursor.position();
  tensor.name = cursor.text("a tensor name", longest_tensor_name);
  if (tensor.name.empty()) cursor.fail(at, "a tensor has no name");
  const std::string what = "tensor " + printable(tensor.name);
  tensor.shape = read_shape(cursor, what);
  const std::uint64_t type_at = cursor.position();
  tensor.type = cursor.number<std::uint32_t>(what);
  const auto known =
      tensor.type <= std::numeric_limits<int>::max() ? types.find_gguf(static_cast<int>(tensor.type)) : std::nullopt;
  if (!known)
    cursor.fail(type_at, what + " is of type " + std::to_string(tensor.type) +
                             ", which is not in data/quants/types.yaml (a removed or newer type)");
  const TensorType& type = types[*known];
  if (tensor.shape[0] % type.block != 0)
    cursor.fail(type_at, what + ": rows of " + std::to_string(tensor.shape[0]) + " weights are no multiple of the " +
                             std::to_string(type.block) + " in a block of " + type.name);
  const std::uint64_t offset_at = cursor.position();
  tensor.offset = cursor.number<std::uint64_t>(what);
  if (tensor.offset % alignment != 0)
    cursor.fail(offset_at, what + " is misaligned: its offset is " + std::to_string(tensor.offset) + "; multiples of " +
                               std::to_string(alignment) + " are accepted");
  return tensor;
}

// Bytes of the tensor's data; shape and type were checked when they were read. nullopt beyond 63 bits.
std::optional<std::uint64_t> data_bytes(const GgufTensor& tensor, const TypeTable& types) {
  std::uint64_t elements = 1;
  for (const auto size : tensor.shape) elements *= static_cast<std::uint64_t>(size);
  const TensorType& type = types[*types.find_gguf(static_cast<int>(tensor.type))];
  const std::uint64_t blocks = elements / static_cast<std::uint64_t>(type.block);
  const auto bytes = static_cast<std::uint64_t>(type.bytes);
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (bytes > 0 && blocks > most / bytes) return std::nullopt;
  return blocks * bytes;
}

// Every tensor lies within the file, and no two share a byte.
void check_layout(const GgufFile& file, const std::string& name, const TypeTable& types) {
  struct Extent {
    std::uint64_t begin, end;
    const GgufTensor* tensor;
  };
  const std::uint64_t size = file.file_sizes[0];
  const std::uint64_t data = file.data_offsets[0];
  const std::uint64_t available = size > data ? size - data : 0;
  std::vector<Extent> extents;
  for (const auto& tensor : file.tensors) {
    const auto bytes = data_bytes(tensor, types);
    if (!bytes || *bytes > available || tensor.offset > available - *bytes)
      throw InputError(name + ": tensor " + printable(tensor.name) + ": needs " +
                       (bytes ? std::to_string(*bytes) : std::string("more than 2^63")) + " bytes at offset " +
                       std::to_string(tensor.offset) + " of the data, which has " + std::to_string(available) +
                       "; the file is truncated or damaged");
    extents.push_back({tensor.offset, tensor.offset + *bytes, &tensor});
  }
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < extents.size(); ++i)
    if (extents[i].begin < extents[i - 1].end)
      throw InputError(name + ": tensor " + printable(extents[i].tensor->name) + ": begins at offset " +
                       std::to_string(extents[i].begin) + ", inside of " + printable(extents[i - 1].tensor->name) +
                       ", which ends at " + std::to_string(extents[i - 1].end) + "; tensors must not overlap");
}

void refuse_duplicates(const GgufFile& file, const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& tensor : file.tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end())
    throw InputError(name + ": tensor " + printable(*twice) + ": twice in the file; once is accepted");
}

GgufFile read_part(Cursor cursor, std::uint64_t file_size, const TypeTable& types) {
  GgufFile file;
  read_magic(cursor, file);
  const std::uint64_t tensors = read_count(cursor, "tensors", most_tensors);
  const std::uint64_t metadata = read_count(cursor, "metadata entries", most_metadata);
  read_metadata(cursor, file, metadata);
  file.alignment = alignment_of(file, cursor.file());
  for (std::uint64_t i = 0; i < tensors; ++i) file.tensors.push_back(read_tensor(cursor, types, file.alignment));
  file.data_offsets = {(cursor.position() + file.alignment - 1) / file.alignment * file.alignment};
  file.file_sizes = {file_size};
  refuse_duplicates(file, cursor.file());
  check_layout(file, cursor.file(), types);
  return file;
}

GgufFile read_file(const std::filesystem::path& path, const TypeTable& types) {
  const std::string name = path.string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) throw InputError(name + ": no such file");
  if (!std::filesystem::is_regular_file(path, error))
    throw InputError(name + ": not a regular file; a GGUF file is accepted");
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw InputError(name + ": its size cannot be read: " + error.message());
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw InputError(name + ": cannot be opened");
  const Refill refill = [&stream](std::byte* to, std::size_t bytes) {
    stream.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(bytes));
    return static_cast<std::size_t>(stream.gcount());
  };
  GgufFile file = read_part(Cursor(refill, size, name), size, types);
  file.paths = {path};
  return file;
}

// "NAME-00002-of-00003.gguf"
struct SplitName {
  std::string prefix;
  std::int64_t count = 0;
};

std::optional<SplitName> split_name(const std::string& file_name) {
  constexpr std::string_view model = "-00001-of-00001.gguf";
  constexpr std::size_t digits = 5;
  if (file_name.size() <= model.size()) return std::nullopt;
  const std::string_view tail = std::string_view(file_name).substr(file_name.size() - model.size());
  const auto number = parse_integer(tail.substr(1, digits));
  const auto count = parse_integer(tail.substr(model.size() - digits - 5, digits));
  if (tail[0] != '-' || tail.substr(1 + digits, 4) != "-of-" || tail.substr(model.size() - 5) != ".gguf" || !number ||
      !count)
    return std::nullopt;
  return SplitName{file_name.substr(0, file_name.size() - model.size()), *count};
}

std::string five_digits(std::int64_t number) {
  constexpr std::size_t width = 5;
  const std::string digits = std::to_string(number);
  return std::string(width - std::min(width, digits.size()), '0') + digits;
}

std::filesystem::path part_path(const std::filesystem::path& any, const SplitName& split, std::int64_t part) {
  return any.parent_path() / (split.prefix + "-" + five_digits(part + 1) + "-of-" + five_digits(split.count) + ".gguf");
}

std::int64_t split_number(const GgufFile& file, std::string_view key, const std::string& name) {
  const GgufValue* value = file.find(key);
  const auto number = value != nullptr ? integer_of(*value) : std::nullopt;
  if (!number || *number < 0)
    throw InputError(name + ": key '" + std::string(key) + "': " + (value == nullptr ? "is missing" : "is no count") +
                     "; a part of a split model states it");
  return *number;
}

void expect_split(std::int64_t seen, std::int64_t expected, std::string_view key, const std::string& name,
                  std::string_view from) {
  if (seen != expected)
    throw InputError(name + ": key '" + std::string(key) + "': is " + std::to_string(seen) + "; " +
                     std::to_string(expected) + " follows from " + std::string(from));
}

void append_part(GgufFile& whole, GgufFile part, int index) {
  for (auto& tensor : part.tensors) {
    tensor.file = index;
    whole.tensors.push_back(std::move(tensor));
  }
  whole.data_offsets.push_back(part.data_offsets[0]);
  whole.file_sizes.push_back(part.file_sizes[0]);
  whole.paths.push_back(part.paths[0]);
}

GgufFile read_split(const std::filesystem::path& path, const GgufFile& given, const TypeTable& types) {
  const std::int64_t count = split_number(given, "split.count", path.string());
  const auto split = split_name(path.filename().string());
  if (!split)
    throw InputError(path.string() + ": one of " + std::to_string(count) +
                     " files of a split model, but not named as one; NAME-00001-of-0000N.gguf is accepted");
  expect_split(count, split->count, "split.count", path.string(), "the file's name");
  GgufFile whole;
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto part_file = part_path(path, *split, i);
    GgufFile part = read_file(part_file, types);
    expect_split(split_number(part, "split.no", part_file.string()), i, "split.no", part_file.string(),
                 "the file's name");
    expect_split(split_number(part, "split.count", part_file.string()), count, "split.count", part_file.string(),
                 "the file's name");
    const std::int64_t stated = split_number(part, "split.tensors.count", part_file.string());
    if (i == 0) {
      total = stated;
      whole.version = part.version;
      whole.alignment = part.alignment;
      whole.metadata = std::move(part.metadata);
      whole.metadata_ranges = std::move(part.metadata_ranges);
    }
    expect_split(stated, total, "split.tensors.count", part_file.string(), "the first file");
    if (part.tensors.size() > most_tensors - whole.tensors.size())
      throw InputError(part_file.string() + ": more than " + std::to_string(most_tensors) +
                       " tensors in all files together");
    append_part(whole, std::move(part), static_cast<int>(i));
  }
  expect_split(total, static_cast<std::int64_t>(whole.tensors.size()), "split.tensors.count", path.string(),
               "the tensors of all files");
  refuse_duplicates(whole, path.string());
  return whole;
}

}  // namespace

const GgufValue* GgufFile::find(std::string_view key) const {
  for (const auto& [name, value] : metadata)
    if (name == key) return &value;
  return nullptr;
}

std::uint64_t GgufFile::total_bytes() const {
  return std::accumulate(file_sizes.begin(), file_sizes.end(), std::uint64_t{0});
}

std::optional<std::int64_t> integer_of(const GgufValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? 1 : 0;
  const auto* number = std::get_if<std::uint64_t>(&value);
  if (number == nullptr || *number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

std::string printable(std::string_view bytes) {
  constexpr std::size_t longest = 80;
  constexpr char first = 0x20;
  constexpr char last = 0x7e;
  std::string result = "'";
  for (const char c : bytes.substr(0, longest)) result += c >= first && c <= last ? c : '?';
  return result + (bytes.size() > longest ? "...'" : "'");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> parts;
  parts.reserve(shape.size());
  for (const auto size : shape) parts.push_back(std::to_string(size));
  return "[" + join(parts, ", ") + "]";
}

GgufFile read_gguf(const std::filesystem::path& path, const TypeTable& types) {
  GgufFile file = read_file(path, types);
  const GgufValue* count = file.find("split.count");
  const bool split = count != nullptr && integer_of(*count).value_or(0) > 1;
  return split ? read_split(path, file, types) : file;
}

GgufFile parse_gguf(std::span<const std::byte> header, std::uint64_t file_size, const std::string& name,
                    const TypeTable& types) {
  const std::uint64_t size = std::min<std::uint64_t>(header.size(), file_size);
  auto left = header.first(static_cast<std::size_t>(size));
  const Refill refill = [&left](std::byte* to, std::size_t bytes) {
    const auto piece = left.first(std::min(bytes, left.size()));
    std::copy(piece.begin(), piece.end(), to);
    left = left.subspan(piece.size());
    return piece.size();
  };
  return read_part(Cursor(refill, size, name), file_size, types);
}

}  // namespace silicast

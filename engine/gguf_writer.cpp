// SPDX-License-Identifier: Apache-2.0
#include "engine/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "engine/output_file.h"

namespace silicast::engine {

namespace {

constexpr std::uint64_t alignment = 32;  // the default of general.alignment
// Numbers of the value types in a file.
constexpr std::uint32_t type_u32 = 4;
constexpr std::uint32_t type_i32 = 5;
constexpr std::uint32_t type_f32 = 6;
constexpr std::uint32_t type_bool = 7;
constexpr std::uint32_t type_text = 8;
constexpr std::uint32_t type_array = 9;

template <class T>
std::string little(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFFU);
  return bytes;
}

std::string little(float value) { return little(std::bit_cast<std::uint32_t>(value)); }

std::string counted(std::string_view text) {
  std::string bytes = little(std::uint64_t{text.size()});
  bytes.append(text);
  return bytes;
}

std::string array_of(std::uint32_t type, std::size_t count) {
  return little(type) + little(static_cast<std::uint64_t>(count));
}

std::uint64_t aligned(std::uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

}  // namespace

void GgufWriter::entry(std::string_view key, std::uint32_t type, const std::string& value) {
  metadata_ += counted(key) + little(type);
  metadata_ += value;
  ++entries_;
}

void GgufWriter::add(std::string_view key, std::string_view text) { entry(key, type_text, counted(text)); }
void GgufWriter::add(std::string_view key, std::uint32_t number) { entry(key, type_u32, little(number)); }
void GgufWriter::add(std::string_view key, float number) { entry(key, type_f32, little(number)); }
void GgufWriter::add(std::string_view key, bool flag) { entry(key, type_bool, std::string(1, flag ? '\1' : '\0')); }

void GgufWriter::add(std::string_view key, const std::vector<std::string>& texts) {
  std::string bytes = array_of(type_text, texts.size());
  for (const auto& text : texts) bytes += counted(text);
  entry(key, type_array, bytes);
}

void GgufWriter::add(std::string_view key, const std::vector<std::int32_t>& numbers) {
  std::string bytes = array_of(type_i32, numbers.size());
  for (const auto number : numbers) bytes += little(number);
  entry(key, type_array, bytes);
}

void GgufWriter::add(std::string_view key, const std::vector<float>& numbers) {
  std::string bytes = array_of(type_f32, numbers.size());
  for (const auto number : numbers) bytes += little(number);
  entry(key, type_array, bytes);
}

void GgufWriter::add(std::string_view key, const std::vector<bool>& flags) {
  std::string bytes = array_of(type_bool, flags.size());
  for (const bool flag : flags) bytes += flag ? '\1' : '\0';
  entry(key, type_array, bytes);
}

void GgufWriter::add_raw(std::string_view key, std::span<const std::byte> value) {
  metadata_ += counted(key);
  metadata_.append(reinterpret_cast<const char*>(value.data()), value.size());
  ++entries_;
}

void GgufWriter::add_tensor(std::string_view name, std::span<const std::int64_t> shape, BlockType type) {
  Entry tensor{.name = std::string(name), .shape = {shape.begin(), shape.end()}, .type = type, .offset = data_};
  tensor.bytes = row_bytes(type, shape[0]);
  for (const auto size : shape.subspan(1)) tensor.bytes *= static_cast<std::uint64_t>(size);
  data_ = aligned(data_ + tensor.bytes);
  tensors_.push_back(std::move(tensor));
}

std::string GgufWriter::header() const {
  std::string bytes = "GGUF" + little(std::uint32_t{3}) + little(static_cast<std::uint64_t>(tensors_.size())) +
                      little(entries_) + metadata_;
  for (const Entry& tensor : tensors_) {
    bytes += counted(tensor.name) + little(static_cast<std::uint32_t>(tensor.shape.size()));
    for (const auto size : tensor.shape) bytes += little(size);
    bytes += little(static_cast<std::uint32_t>(traits_of(tensor.type).gguf_number)) + little(tensor.offset);
  }
  bytes.resize(aligned(bytes.size()), '\0');
  return bytes;
}

std::uint64_t GgufWriter::file_bytes() const { return header().size() + data_; }

std::size_t GgufWriter::piece_bytes(BlockType type) {
  constexpr std::size_t weights = std::size_t{1} << 24;
  return row_bytes(type, static_cast<std::int64_t>(weights));
}

void GgufWriter::write(const std::filesystem::path& path, const Fill& fill, const Progress& progress) const {
  const std::string head = header();
  OutputFile file(path, head.size() + data_);
  file.write(std::as_bytes(std::span(head)));
  std::vector<std::byte> buffer;
  std::uint64_t written = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Entry& tensor = tensors_[i];
    for (std::uint64_t at = 0; at < tensor.bytes;) {
      const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes(tensor.type), tensor.bytes - at));
      buffer.resize(piece);
      fill(i, at, buffer);
      file.write(buffer);
      at += piece;
      written += piece;
      progress(written, data_);
    }
    const std::uint64_t padding = aligned(written) - written;
    buffer.assign(static_cast<std::size_t>(padding), std::byte{0});
    file.write(buffer);
    written += padding;
  }
  file.commit();
}

std::vector<std::byte> GgufWriter::bytes(const Fill& fill) const {
  const std::string head = header();
  std::vector<std::byte> bytes(head.size() + static_cast<std::size_t>(data_));
  std::memcpy(bytes.data(), head.data(), head.size());
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    fill(i, 0,
         std::span(bytes).subspan(head.size() + static_cast<std::size_t>(tensors_[i].offset),
                                  static_cast<std::size_t>(tensors_[i].bytes)));
  return bytes;
}

}  // namespace silicast::engine

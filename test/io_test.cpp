// Tests of the writers in src/io: NPZ (read back by a reader of the test's own) and JSON.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "io/json.h"
#include "io/npz.h"

namespace coronet {
namespace {

// ---- NPZ ----

struct NpyArray {
  std::string header;
  std::string data;

  template <class T>
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> out(data.size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), data.data(), data.size());
    return out;
  }
};

std::uint32_t number(const std::string& bytes, std::size_t at, int size) {
  std::uint32_t value = 0;
  for (int i = size - 1; i >= 0; --i) {
    value = (value << 8U) | static_cast<unsigned char>(bytes.at(at + static_cast<std::size_t>(i)));
  }
  return value;
}

std::string inflated(const std::string& packed, std::size_t size) {
  std::string out(size, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, -15), Z_OK);
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(size);
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.total_out, size);
  inflateEnd(&stream);
  return out;
}

/// Reads an archive by its central directory, as unzip and NumPy do, and checks each local header
/// against it.
std::map<std::string, NpyArray> read_npz(const std::string& zip) {
  std::map<std::string, NpyArray> arrays;
  const std::size_t end = zip.size() - 22;
  EXPECT_EQ(number(zip, end, 4), 0x06054B50U);
  const std::uint32_t count = number(zip, end + 10, 2);
  EXPECT_EQ(number(zip, end + 8, 2), count);
  std::size_t at = number(zip, end + 16, 4);
  EXPECT_EQ(at + number(zip, end + 12, 4), end);
  for (std::uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(number(zip, at, 4), 0x02014B50U);
    const std::uint32_t method = number(zip, at + 10, 2);
    const std::uint32_t crc = number(zip, at + 16, 4);
    const std::uint32_t packed = number(zip, at + 20, 4);
    const std::uint32_t unpacked = number(zip, at + 24, 4);
    const std::uint32_t name_size = number(zip, at + 28, 2);
    const std::string name = zip.substr(at + 46, name_size);
    const std::size_t local = number(zip, at + 42, 4);
    EXPECT_EQ(number(zip, local, 4), 0x04034B50U);
    EXPECT_EQ(zip.substr(local + 8, 2), zip.substr(at + 10, 2));     // method
    EXPECT_EQ(zip.substr(local + 14, 12), zip.substr(at + 16, 12));  // CRC and sizes
    EXPECT_EQ(zip.substr(local + 30, name_size), name);
    const std::string raw = zip.substr(local + 30 + name_size, packed);
    const std::string file = method == 8 ? inflated(raw, unpacked) : raw;
    EXPECT_EQ(file.size(), unpacked);
    EXPECT_EQ(crc32(0, reinterpret_cast<const Bytef*>(file.data()), unpacked), crc);
    EXPECT_EQ(file.substr(0, 6), "\x93NUMPY");
    EXPECT_EQ(number(file, 6, 2), 1U);
    const std::size_t header = number(file, 8, 2);
    EXPECT_EQ((10 + header) % 64, 0U);
    EXPECT_EQ(file.at(10 + header - 1), '\n');
    EXPECT_GE(name.size(), 4U);
    arrays[name.substr(0, name.size() - 4)] = {file.substr(10, header), file.substr(10 + header)};
    at += 46 + name_size;
  }
  return arrays;
}

TEST(Npz, ReadsBackWithAndWithoutCompression) {
  std::vector<double> noise(1000);
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = normal(1, 2, i);
  noise[0] = std::numeric_limits<double>::infinity();
  const std::vector<float> zeros(24, 0.0F);
  for (const bool compress : {false, true}) {
    NpzWriter writer(compress);
    writer.add("noise", {10, 100}, noise);
    writer.add("conv/1.lower", {2, 3, 4}, zeros);
    writer.add("vector", {3}, std::vector<float>{1, 2, 3});
    writer.add("scalar", {}, std::vector<double>{0.1});
    writer.add("empty", {0, 5}, std::vector<double>{});
    const auto arrays = read_npz(writer.bytes());
    ASSERT_EQ(arrays.size(), 5U);
    const auto header = [&](const std::string& name) { return arrays.at(name).header; };
    EXPECT_EQ(arrays.at("noise").values<double>(), noise);
    EXPECT_TRUE(header("noise").starts_with(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (10, 100), }"));
    EXPECT_EQ(arrays.at("conv_1.lower").values<float>(), zeros);
    EXPECT_NE(header("conv_1.lower").find("'<f4'"), std::string::npos);
    EXPECT_NE(header("conv_1.lower").find("(2, 3, 4)"), std::string::npos);
    EXPECT_EQ(arrays.at("vector").values<float>(), (std::vector<float>{1, 2, 3}));
    EXPECT_NE(header("vector").find("(3,)"), std::string::npos);
    EXPECT_EQ(arrays.at("scalar").values<double>(), std::vector<double>{0.1});
    EXPECT_NE(header("scalar").find("'shape': ()"), std::string::npos);
    EXPECT_TRUE(arrays.at("empty").data.empty());
    EXPECT_NE(header("empty").find("(0, 5)"), std::string::npos);
  }
}

TEST(Npz, CompressesWhatCanBeCompressed) {
  const std::vector<double> zeros(10000, 0.0);
  NpzWriter stored(false);
  stored.add("zeros", {10000}, zeros);
  NpzWriter packed(true);
  packed.add("zeros", {10000}, zeros);
  EXPECT_GT(stored.bytes().size(), 80000U);
  EXPECT_LT(packed.bytes().size(), 1000U);
  EXPECT_EQ(packed.bytes(), packed.bytes());
}

TEST(Npz, AnEmptyArchiveIsOne) { EXPECT_TRUE(read_npz(NpzWriter().bytes()).empty()); }

TEST(Npz, RefusesWhatCannotBeRead) {
  NpzWriter writer;
  const std::vector<double> two = {1, 2};
  writer.add("a", {2}, two);
  EXPECT_THROW(writer.add("a", {2}, two), Error);
  EXPECT_THROW(writer.add("", {2}, two), Error);
  EXPECT_THROW(writer.add("b", {3}, two), Error);
  EXPECT_THROW(writer.add("b", {-2}, two), Error);
  EXPECT_EQ(read_npz(writer.bytes()).size(), 1U);
}

// ---- JSON ----

Property example_property() {
  Property property;
  property.inputs = 2;
  property.outputs = 2;
  property.boxes = {{{0, 0}, {1, 1}}};
  property.clauses = {{0, {{{}, {{0, 1.0}, {1, -1.0}}, 0.0, false}}}, {0, {}}};
  property.input = {"X", "Real", {2}};
  property.output = {"Y", "Real", {2}};
  return property;
}

TEST(Json, CarriesEverything) {
  Result result;
  result.verdict = Verdict::kViolated;
  result.counterexample = {{0.1, -0.0}, {1e-300, 3}};
  result.clauses = {{-0.25, "attack"}, {0.5, ""}};
  result.phases = {{"load", 0.5}, {"attack", 0.25}};
  result.domains = 1LL << 60;
  result.best_attack = -0.125;
  result.memory = {{"weights", 1234}, {"resident", 1ULL << 40}};
  Options options;
  options.timeout = 60;
  options.method = "alpha";
  const std::string text =
      to_json(result, example_property(), options, {{"network", "a \"b\".onnx"}});
  EXPECT_EQ(text.back(), '\n');
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["verdict"], "violated");
  EXPECT_FALSE(json.contains("reason"));
  EXPECT_EQ(json["counterexample"]["input"].get<std::vector<double>>(),
            result.counterexample.input);
  EXPECT_EQ(json["counterexample"]["output"].get<std::vector<double>>(),
            result.counterexample.output);
  ASSERT_EQ(json["clauses"].size(), 2U);
  EXPECT_EQ(json["clauses"][0]["bound"], -0.25);
  EXPECT_EQ(json["clauses"][0]["decided_by"], "attack");
  EXPECT_EQ(json["clauses"][0]["constraints"], 1);
  EXPECT_TRUE(json["clauses"][1]["decided_by"].is_null());
  EXPECT_EQ(json["seconds"], 0.75);
  EXPECT_EQ(json["phases"][1]["name"], "attack");
  EXPECT_EQ(json["domains"], 1LL << 60);
  EXPECT_EQ(json["memory"]["resident"], 1ULL << 40);
  EXPECT_EQ(json["property"]["clauses"], 2);
  EXPECT_EQ(json["property"]["input"]["name"], "X");
  EXPECT_EQ(json["options"]["timeout"], 60);
  EXPECT_EQ(json["options"]["method"], "alpha");
  EXPECT_EQ(json["run"]["network"], "a \"b\".onnx");
}

TEST(Json, HasEveryOption) {
  const auto json = nlohmann::json::parse(to_json({}, {}, {}, {}));
  std::size_t count = 0;
#define OPTION(type, name, default_value, group, help) \
  ++count;                                             \
  EXPECT_EQ(json["options"][#name].get<type>(), Options().name);
#include "base/options.def"
#undef OPTION
  EXPECT_EQ(json["options"].size(), count);
}

TEST(Json, GivesTheReasonOfTheUndecidedOnly) {
  for (const Verdict verdict :
       {Verdict::kHolds, Verdict::kViolated, Verdict::kUnknown, Verdict::kTimeout}) {
    Result result;
    result.verdict = verdict;
    result.reason = "why";
    const auto json = nlohmann::json::parse(to_json(result, {}, {}, {}));
    EXPECT_EQ(json["verdict"], verdict_name(verdict));
    EXPECT_EQ(json.contains("reason"),
              verdict == Verdict::kUnknown || verdict == Verdict::kTimeout);
    EXPECT_EQ(json.contains("counterexample"), verdict == Verdict::kViolated);
  }
}

TEST(Json, SurvivesWhatJsonHasNoWordFor) {
  Result result;
  result.best_attack = std::numeric_limits<double>::infinity();
  result.clauses = {{std::numeric_limits<double>::quiet_NaN(), ""}};
  const auto json = nlohmann::json::parse(to_json(result, {}, {}, {{"network", "\xff\xfe"}}));
  EXPECT_TRUE(json["best_attack"].is_null());
  EXPECT_TRUE(json["clauses"][0]["bound"].is_null());
  EXPECT_TRUE(json["run"]["network"].is_string());
}

}  // namespace
}  // namespace coronet

#include "cli/progress_line.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/resources.h"
#include "cli/streams.h"

namespace coronet::cli {

namespace {

constexpr double kLinePeriod = 0.2;
constexpr double kJsonPeriod = 1.0;

bool known(double value) { return std::isfinite(value) && value != 0; }

std::string number(double value) { return known(value) ? fmt::format("{}", value) : "null"; }

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) >= ' ' ? c : ' ';
  }
  return out + '"';
}

std::string line(const Progress& p) {
  std::string text = fmt::format("{:7.1f} s  {:<11}", elapsed_seconds(), p.phase);
  if (p.worst_row >= 0) text += fmt::format("  clause {}", p.worst_row);
  if (known(p.bound)) text += fmt::format("  bound {:+.4g}", p.bound);
  if (known(p.best_attack)) text += fmt::format("  attack {:+.4g}", p.best_attack);
  if (known(p.bound) && known(p.best_attack)) {
    text += fmt::format("  gap {:.4g}", p.best_attack - p.bound);
  }
  if (p.closed > 0) {
    text += fmt::format("  open {} closed {}", p.open, p.closed);
  } else if (p.open > 0) {  // while the root is bounded these are nodes, not domains
    text += fmt::format("  {} to go", p.open);
  }
  if (p.domains_per_second > 0) text += fmt::format("  {:.0f}/s", p.domains_per_second);
  return text + fmt::format("  {:.0f} MiB", static_cast<double>(resident_bytes()) / 0x1p20);
}

std::string json(const Progress& p, const std::string& verdict, const std::string& reason) {
  std::string text = fmt::format(R"({{"elapsed":{:.3f},"phase":{})", elapsed_seconds(),
                                 json_text(verdict.empty() ? p.phase : "end"));
  if (!verdict.empty()) text += fmt::format(R"(,"verdict":{})", json_text(verdict));
  if (!reason.empty()) text += fmt::format(R"(,"reason":{})", json_text(reason));
  text += fmt::format(
      R"(,"worst_row":{},"bound":{},"best_attack":{},"gap":{})",
      p.worst_row >= 0 ? fmt::format("{}", p.worst_row) : "null", number(p.bound),
      number(p.best_attack),
      known(p.bound) && known(p.best_attack) ? number(p.best_attack - p.bound) : "null");
  return text + fmt::format(R"(,"open":{},"closed":{},"domains_per_second":{},"memory":{}}})"
                            "\n",
                            p.open, p.closed, p.domains_per_second, resident_bytes());
}

int terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

ProgressStyle progress_style(const std::string& name) {
  if (name == "json") return ProgressStyle::kJson;
  if (name == "line") return ProgressStyle::kLine;
  return name == "auto" && ::isatty(STDERR_FILENO) == 1 ? ProgressStyle::kLine
                                                        : ProgressStyle::kNone;
}

void ProgressLine::progress(const Progress& progress) {
  const std::scoped_lock lock(mutex_);
  // Phases do not know what others found: the best attack is kept until a better one comes.
  const double attack = latest_.best_attack;
  latest_ = progress;
  if (!known(latest_.best_attack)) latest_.best_attack = attack;
}

Progress ProgressLine::latest() const {
  const std::scoped_lock lock(mutex_);
  return latest_;
}

void ProgressLine::tick() {
  if (style_ == ProgressStyle::kNone) return;
  const double now = elapsed_seconds();
  // The JSON clock ticks on whole seconds of the process.
  const bool due = style_ == ProgressStyle::kLine
                       ? now - shown_ >= kLinePeriod
                       : std::floor(now / kJsonPeriod) > std::floor(shown_ / kJsonPeriod);
  if (!due) return;
  shown_ = now;
  const Progress p = latest();
  if (style_ == ProgressStyle::kJson) {
    whisper(json(p, "", ""));
    return;
  }
  std::string text = line(p);
  text.resize(std::min<std::size_t>(text.size(), static_cast<std::size_t>(terminal_width() - 1)));
  whisper("\r" + text + "\033[K");
  visible_ = true;
}

void ProgressLine::finish(const std::string& verdict, const std::string& reason) {
  if (visible_) whisper("\r\033[K");
  visible_ = false;
  if (style_ == ProgressStyle::kJson) whisper(json(latest(), verdict, reason));
}

}  // namespace coronet::cli

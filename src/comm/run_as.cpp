#include "comm/run_as.h"

#include <exception>
#include <new>

namespace coronet::comm {

void run_as(Channel& channel, const std::function<void(Channel&)>& f) {
  try {
    f(channel);
  } catch (const RankLeft&) {
    throw;  // no failure: whoever waits for this one is told that it has left
  } catch (const Error& e) {
    channel.fail(e.kind(), e.what());
    throw;
  } catch (const std::bad_alloc&) {
    channel.fail(ErrorKind::kOutOfMemory, "an allocation failed");
    throw;
  } catch (const std::exception& e) {
    channel.fail(ErrorKind::kInternal, e.what());
    throw;
  }
}

}  // namespace coronet::comm

// What every call of the interface begins with.
#pragma once

#include "device.h"

namespace driver {

// The one there is; never torn down, since streams may be at work when the process ends.
Device& get();
// Success, or why the calling thread cannot use the device.
int usable();
// The same for a stream or an event, which has its own context whatever the thread's is.
int usable_by_handle();

inline Stream& of(void* stream) { return stream == nullptr ? get().null_stream : *static_cast<Stream*>(stream); }

}  // namespace driver

#define REQUIRE(condition, otherwise) \
    if (!(condition)) return otherwise
#define USABLE() \
    if (const int result = driver::usable()) return result
#define USABLE_BY_HANDLE() \
    if (const int result = driver::usable_by_handle()) return result

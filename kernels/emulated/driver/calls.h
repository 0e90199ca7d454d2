// The checks that every call of the driver interface starts with.
#pragma once

#include "device.h"

namespace driver {

// The only device. It is never destroyed, because streams may still be working when the process ends.
Device& get();
// Success, or why the calling thread cannot use the device.
int usable();
// The same for calls on a stream or an event, which have their own context, whatever the thread's is.
int usable_by_handle();

inline Stream& of(void* stream) { return stream == nullptr ? get().null_stream : *static_cast<Stream*>(stream); }

}  // namespace driver

#define REQUIRE(condition, otherwise) \
    if (!(condition)) return otherwise
#define USABLE() \
    if (const int result = driver::usable()) return result
#define USABLE_BY_HANDLE() \
    if (const int result = driver::usable_by_handle()) return result

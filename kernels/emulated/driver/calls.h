// The checks that every call of the driver interface starts with.
#pragma once

#include "device.h"

namespace driver {

// The device with this number, below `count()`. None is ever destroyed, because streams may still be working when the process
// ends.
Device& device(int index);
// Number of devices.
int count();
// The device whose context is the calling thread's.
Device& get();
// Page-locked memory of the host, which all devices may use.
PageLocked& page_locked();
// Success, or why the calling thread cannot use its device.
int usable();
// The same for calls on a stream or an event, which have their own context, whatever the thread's is.
int usable_by_handle(const Device& owner);

inline Stream& of(void* stream) { return stream == nullptr ? get().null_stream : *static_cast<Stream*>(stream); }
inline Device& owner_of(void* stream) { return *static_cast<Device*>(of(stream).owner); }

}  // namespace driver

#define REQUIRE(condition, otherwise) \
    if (!(condition)) return otherwise
#define USABLE() \
    if (const int result = driver::usable()) return result
// For work in a stream, which must be of the thread's context.
#define USABLE_IN(stream) \
    USABLE();             \
    REQUIRE(&driver::owner_of(stream) == &driver::get(), driver::InvalidContext)
#define USABLE_BY_HANDLE(owner) \
    if (const int result = driver::usable_by_handle(owner)) return result

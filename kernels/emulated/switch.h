// Switches from one stack to another.
#pragma once

#include <cstddef>
#include <cstdint>

namespace huracan {

#if defined(__x86_64__) && defined(__linux__)

// Saves the registers that a call must preserve, stores the stack pointer in `from`, and continues on the stack `to`.
extern "C" void huracan_switch(void** from, void* to);
asm(R"(
    .text
    .globl huracan_switch
    .hidden huracan_switch
    .type huracan_switch, @function
huracan_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size huracan_switch, .-huracan_switch
)");

struct Stack {
    void* pointer;
    // Prepares the stack so that the next switch to it calls `entry`, which must never return.
    void begin(char* bottom, std::size_t bytes, void (*entry)()) {
        auto top = reinterpret_cast<std::uintptr_t>(bottom + bytes) & ~std::uintptr_t{15};
        auto* words = reinterpret_cast<std::uint64_t*>(top) - 2;
        words[1] = 0;
        words[0] = reinterpret_cast<std::uint64_t>(entry);
        words -= 6;
        for (int i = 0; i < 6; ++i) {
            words[i] = 0;
        }
        pointer = words;
    }
};
inline void leave(Stack& from, Stack& to) { huracan_switch(&from.pointer, to.pointer); }

#elif defined(__aarch64__) && defined(__linux__)

extern "C" void huracan_switch(void** from, void* to);
asm(R"(
    .text
    .globl huracan_switch
    .hidden huracan_switch
    .type huracan_switch, %function
huracan_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size huracan_switch, .-huracan_switch
)");

struct Stack {
    void* pointer;
    void begin(char* bottom, std::size_t bytes, void (*entry)()) {
        auto top = reinterpret_cast<std::uintptr_t>(bottom + bytes) & ~std::uintptr_t{15};
        auto* words = reinterpret_cast<std::uint64_t*>(top) - 20;
        for (int i = 0; i < 20; ++i) {
            words[i] = 0;
        }
        words[11] = reinterpret_cast<std::uint64_t>(entry);
        pointer = words;
    }
};
inline void leave(Stack& from, Stack& to) { huracan_switch(&from.pointer, to.pointer); }

#else

}  // namespace huracan
#include <ucontext.h>
namespace huracan {

struct Stack {
    ucontext_t context;
    void begin(char* bottom, std::size_t bytes, void (*entry)()) {
        getcontext(&context);
        context.uc_stack.ss_sp = bottom;
        context.uc_stack.ss_size = bytes;
        context.uc_link = nullptr;
        makecontext(&context, entry, 0);
    }
};
inline void leave(Stack& from, Stack& to) { swapcontext(&from.context, &to.context); }

#endif

}  // namespace huracan

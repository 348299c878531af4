/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The base types of Windows for programs written against SSPI, on systems that are not Windows.
 *
 * The widths are those of 64-bit Windows, not those of the C compiler here: ULONG, LONG and DWORD have 32 bits where `unsigned long`
 * has 64, WCHAR has 16 where wchar_t has 32. A program that says `unsigned long` where the interface says ULONG has to be changed.
 *
 * Together with FreeRDP's WinPR: include <winpr/wtypes.h> first; its types are then the ones used.
 */
#ifndef OPENSCHANNEL_TYPES_H
#define OPENSCHANNEL_TYPES_H

#ifdef _WIN32

#include <windows.h>

#else /* _WIN32 */

#include <stddef.h>
#include <stdint.h>

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
#ifndef CONST
#define CONST const
#endif
#ifndef VOID
#define VOID void
#endif
#ifndef WINAPI
#define WINAPI
#endif
#ifndef CALLBACK
#define CALLBACK
#endif
#ifndef ANYSIZE_ARRAY
#define ANYSIZE_ARRAY 1
#endif
#ifndef MAX_PATH
#define MAX_PATH 260
#endif

/* What SAL annotates on Windows needs no words here. */
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif

#ifndef WINPR_WTYPES_H

typedef int32_t BOOL, *PBOOL, *LPBOOL;
typedef uint8_t BYTE, *PBYTE, *LPBYTE;
typedef BYTE BOOLEAN, *PBOOLEAN;
typedef uint16_t WORD, *PWORD, *LPWORD;
typedef uint32_t DWORD, *PDWORD, *LPDWORD;
typedef uint64_t DWORD64, DWORDLONG, *PDWORD64, *PDWORDLONG;

typedef int16_t SHORT, *PSHORT;
typedef uint16_t USHORT, *PUSHORT;
typedef int32_t INT, *PINT, *LPINT;
typedef uint32_t UINT, *PUINT, *LPUINT;
typedef int32_t LONG, *PLONG, *LPLONG;
typedef uint32_t ULONG, *PULONG;
typedef int64_t LONGLONG, *PLONGLONG;
typedef uint64_t ULONGLONG, *PULONGLONG;
typedef int8_t INT8, *PINT8;
typedef uint8_t UINT8, *PUINT8;
typedef int16_t INT16, *PINT16;
typedef uint16_t UINT16, *PUINT16;
typedef int32_t INT32, *PINT32, LONG32, *PLONG32;
typedef uint32_t UINT32, *PUINT32, ULONG32, *PULONG32;
typedef int64_t INT64, *PINT64, LONG64, *PLONG64;
typedef uint64_t UINT64, *PUINT64, ULONG64, *PULONG64;

typedef intptr_t INT_PTR, *PINT_PTR, LONG_PTR, *PLONG_PTR;
typedef uintptr_t UINT_PTR, *PUINT_PTR, ULONG_PTR, *PULONG_PTR, DWORD_PTR, *PDWORD_PTR;
typedef ULONG_PTR SIZE_T, *PSIZE_T;
typedef LONG_PTR SSIZE_T, *PSSIZE_T;

typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID;
typedef void *HANDLE, *PHANDLE, *LPHANDLE;
typedef HANDLE HINSTANCE, HMODULE, HWND;

typedef char CHAR, *PCHAR, *PCH, *LPCH, *PSTR, *LPSTR;
typedef const CHAR *PCCH, *LPCCH, *PCSTR, *LPCSTR;
typedef unsigned char UCHAR, *PUCHAR;
/* A UTF-16 code unit: u"..." in C11, TEXT("...") with UNICODE; L"..." only under -fshort-wchar. */
typedef uint16_t WCHAR, *PWCHAR, *PWCH, *LPWCH, *PWSTR, *LPWSTR;
typedef const WCHAR *PCWCH, *LPCWCH, *PCWSTR, *LPCWSTR;
#ifdef UNICODE
typedef WCHAR TCHAR;
typedef LPWSTR PTSTR, LPTSTR;
typedef LPCWSTR LPCTSTR;
#else
typedef CHAR TCHAR;
typedef LPSTR PTSTR, LPTSTR;
typedef LPCSTR LPCTSTR;
#endif

typedef LONG HRESULT;

typedef struct _GUID {
    UINT32 Data1;
    UINT16 Data2;
    UINT16 Data3;
    BYTE Data4[8];
} GUID, UUID, *PGUID, *LPGUID;

typedef struct _LUID {
    DWORD LowPart;
    LONG HighPart;
} LUID, *PLUID;

typedef struct _FILETIME {
    DWORD dwLowDateTime;
    DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

typedef struct _SYSTEMTIME {
    WORD wYear;
    WORD wMonth;
    WORD wDayOfWeek;
    WORD wDay;
    WORD wHour;
    WORD wMinute;
    WORD wSecond;
    WORD wMilliseconds;
} SYSTEMTIME, *PSYSTEMTIME, *LPSYSTEMTIME;

/* Anonymous members are C11 and an extension in C++; every compiler that this header can meet has them. */
typedef union _LARGE_INTEGER {
#if defined(__GNUC__)
    __extension__
#endif
    struct {
        DWORD LowPart;
        LONG HighPart;
    };
    struct {
        DWORD LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

#endif /* WINPR_WTYPES_H */

#if !defined(__UNICODE_STRING_DEFINED) && !defined(WINPR_NT_H)
#define __UNICODE_STRING_DEFINED
typedef struct _UNICODE_STRING {
    USHORT Length; /* in bytes, without a terminator */
    USHORT MaximumLength;
    PWSTR Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
#endif

/* A UTF-16 literal. In C++ char16_t and WCHAR are different types of one representation; callers pass these to LPWSTR. */
#ifdef __cplusplus
#define OPENSCHANNEL_W(text) (const_cast<WCHAR *>(reinterpret_cast<const WCHAR *>(u##text)))
#else
#define OPENSCHANNEL_W(text) u##text
#endif

/* The A or the W form of a name, as UNICODE says. */
#ifdef UNICODE
#define OPENSCHANNEL_AW(name) name##W
#define OPENSCHANNEL_UAW(name) name##_W
#define OPENSCHANNEL_TEXT(text) OPENSCHANNEL_W(text)
#else
#define OPENSCHANNEL_AW(name) name##A
#define OPENSCHANNEL_UAW(name) name##_A
#define OPENSCHANNEL_TEXT(text) text
#endif
#ifndef TEXT
#define TEXT(text) OPENSCHANNEL_TEXT(text)
#endif

#endif /* _WIN32 */

#endif /* OPENSCHANNEL_TYPES_H */

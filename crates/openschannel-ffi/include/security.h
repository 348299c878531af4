/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The header that programs include for SSPI: sspi.h, and the names of the packages beside TLS. */
#ifndef OPENSCHANNEL_SECURITY_H
#define OPENSCHANNEL_SECURITY_H

#if defined(_WIN32) && defined(__GNUC__)
/* On Windows the system's own header is the one to use. */
#pragma GCC system_header
#include_next <security.h>
#elif defined(_WIN32)
#error "This header is for systems that are not Windows: take its directory off the include path"
#else

#include "sspi.h"

#ifndef NTLMSP_NAME
#define NTLMSP_NAME_A "NTLM"
#define NTLMSP_NAME OPENSCHANNEL_W("NTLM")
#endif

#ifndef MICROSOFT_KERBEROS_NAME
#define MICROSOFT_KERBEROS_NAME_A "Kerberos"
#define MICROSOFT_KERBEROS_NAME_W OPENSCHANNEL_W("Kerberos")
#define MICROSOFT_KERBEROS_NAME MICROSOFT_KERBEROS_NAME_W
#endif

#ifndef NEGOSSP_NAME
#define NEGOSSP_NAME_A "Negotiate"
#define NEGOSSP_NAME_W OPENSCHANNEL_W("Negotiate")
#define NEGOSSP_NAME OPENSCHANNEL_UAW(NEGOSSP_NAME)
#endif

#endif /* _WIN32 */

#endif /* OPENSCHANNEL_SECURITY_H */

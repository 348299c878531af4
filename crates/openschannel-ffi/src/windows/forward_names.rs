//! The names of `secur32.dll` that are not Schannel's: of Windows 7 to 11 and of Wine. All of them have to be there, or programs and DLLs
//! that import one do not load.

#![allow(unreachable_pub, reason = "what C reaches is outside")]

use super::forward::Refusal::{False, NoPackage, NotImplemented, Nothing, Unsupported, Win32};
use super::forward::{CALL_NOT_IMPLEMENTED, Forward, NO_DOMAIN, NONE_MAPPED, forwards};
use super::names;

// Packages, and SASL over them.
forwards! {
    AddSecurityPackageA(name, options) else Unsupported;
    AddSecurityPackageW(name, options) else Unsupported;
    DeleteSecurityPackageA(name) else NoPackage;
    DeleteSecurityPackageW(name) else NoPackage;
    SaslAcceptSecurityContext(credential, context, input, requirements, drep, new_context, output, attributes, expiry) else Unsupported;
    SaslEnumerateProfilesA(list, count) else Unsupported;
    SaslEnumerateProfilesW(list, count) else Unsupported;
    SaslGetContextOption(context, option, value, size, needed) else Unsupported;
    SaslGetProfilePackageA(profile, info) else NoPackage;
    SaslGetProfilePackageW(profile, info) else NoPackage;
    SaslIdentifyPackageA(input, info) else NoPackage;
    SaslIdentifyPackageW(input, info) else NoPackage;
    SaslInitializeSecurityContextA(
        credential, context, target, requirements, reserved1, drep, input, reserved2, new_context, output, attributes, expiry
    ) else Unsupported;
    SaslInitializeSecurityContextW(
        credential, context, target, requirements, reserved1, drep, input, reserved2, new_context, output, attributes, expiry
    ) else Unsupported;
    SaslSetContextOption(context, option, value, size) else Unsupported;
    SecCacheSspiPackages() else Nothing;
    SecDeleteUserModeContext(context) else Unsupported;
    SecInitUserModeContext(context, packed) else Unsupported;
    SeciAllocateAndSetCallFlags(flags, clear) else Unsupported;
    SeciAllocateAndSetIPAddress(address, size, changed) else Unsupported;
    SeciFreeCallContext() else Nothing;
    SecpSetIPAddress(address, size) else Unsupported;
}

// User names and passwords in the form of SEC_WINNT_AUTH_IDENTITY.
forwards! {
    SspiCompareAuthIdentities(first, second, same_user, same_identity) else Unsupported;
    SspiCopyAuthIdentity(identity, copy) else Unsupported;
    SspiDecryptAuthIdentity(identity) else Unsupported;
    SspiDecryptAuthIdentityEx(options, identity) else Unsupported;
    SspiEncodeAuthIdentityAsStrings(identity, user, domain, packed) else Unsupported;
    SspiEncodeStringsAsAuthIdentity(user, domain, packed, identity) else Unsupported;
    SspiEncryptAuthIdentity(identity) else Unsupported;
    SspiEncryptAuthIdentityEx(options, identity) else Unsupported;
    SspiExcludePackage(identity, package, new_identity) else Unsupported;
    SspiFreeAuthIdentity(identity) else Nothing;
    SspiGetTargetHostName(target, host) else Unsupported;
    SspiIsAuthIdentityEncrypted(identity) else False(CALL_NOT_IMPLEMENTED);
    SspiLocalFree(memory) else Nothing;
    SspiMarshalAuthIdentity(identity, len, bytes) else Unsupported;
    SspiPrepareForCredRead(identity, target, credential_type, credential_name) else Unsupported;
    SspiPrepareForCredWrite(identity, target, credential_type, credential_name, user, blob, size) else Unsupported;
    SspiSetChannelBindingFlags(bindings, flags) else Unsupported;
    SspiUnmarshalAuthIdentity(len, bytes, identity) else Unsupported;
    SspiUnmarshalAuthIdentityInternal(len, bytes, identity, flags) else Unsupported;
    SspiValidateAuthIdentity(identity) else Unsupported;
    SspiZeroAuthIdentity(identity) else Nothing;
    CredMarshalTargetInfo(target, buffer, size) else NotImplemented;
    CredParseUserNameWithType(name, user, domain, kind) else NotImplemented;
    CredUnmarshalTargetInfo(buffer, size, target, rest) else NotImplemented;
}

// The local security authority.
forwards! {
    CloseLsaPerformanceData() else Win32;
    CollectLsaPerformanceData(value, data, size, types) else Win32;
    GetSecurityUserInfo(logon, flags, info) else NotImplemented;
    LsaCallAuthenticationPackage(lsa, package, submit, submit_len, answer, answer_len, status) else NotImplemented;
    LsaConnectUntrusted(lsa) else NotImplemented;
    LsaDeregisterLogonProcess(lsa) else NotImplemented;
    LsaEnumerateLogonSessions(count, list) else NotImplemented;
    LsaFreeReturnBuffer(buffer) else NotImplemented;
    LsaGetLogonSessionData(logon, data) else NotImplemented;
    LsaLogonUser(
        lsa, origin, logon_type, package, information, information_len, groups, source, profile, profile_len, logon, token, quotas,
        substatus
    ) else NotImplemented;
    LsaLookupAuthenticationPackage(lsa, name, package) else NotImplemented;
    LsaRegisterLogonProcess(name, lsa, mode) else NotImplemented;
    LsaRegisterPolicyChangeNotification(class, event) else NotImplemented;
    LsaUnregisterPolicyChangeNotification(class, event) else NotImplemented;
    OpenLsaPerformanceData(names) else Win32;
}

// Names of users and computers. The last three are not documented; six words are more than they take.
forwards! {
    GetComputerObjectNameA(format, buffer, size) else False(NO_DOMAIN);
    GetComputerObjectNameW(format, buffer, size) else False(NO_DOMAIN);
    GetUserNameExA(format, buffer, size) else names::user_a(format, buffer, size);
    GetUserNameExW(format, buffer, size) else names::user_w(format, buffer, size);
    SecGetLocaleSpecificEncryptionRules(rules) else False(CALL_NOT_IMPLEMENTED);
    TranslateNameA(account, from, to, buffer, size) else False(NONE_MAPPED);
    TranslateNameW(account, from, to, buffer, size) else False(NONE_MAPPED);
    SecpFreeMemory(memory) else Nothing;
    SecpTranslateName(a, b, c, d, e, f) else False(NONE_MAPPED);
    SecpTranslateNameEx(a, b, c, d, e, f) else False(NONE_MAPPED);
}

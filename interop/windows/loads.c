/* Whether secur32.dll is whole: every name of the list is there, the function tables have no holes, what the system's other DLLs give out
 * under the same names is the same function, and they load.
 *
 *   loads NAMES.txt DLL...      the names stand one in a line */
#define WIN32_LEAN_AND_MEAN
#define SECURITY_WIN32
#include <windows.h>
#include <security.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(int fine, const char *what, const char *name)
{
    if (!fine) {
        printf("%s: %s\n", what, name);
        failures++;
    }
}

static void check_names(HMODULE library, const char *path)
{
    char name[256];
    int count = 0;
    FILE *names = fopen(path, "r");
    check(names != NULL, "cannot be read", path);
    while (names && fgets(name, sizeof name, names)) {
        name[strcspn(name, "\r\n")] = 0;
        check(!*name || GetProcAddress(library, name) != NULL, "not exported", name);
        count++;
    }
    check(count > 70, "too short a list", path);
}

static void check_table(HMODULE library, const char *name)
{
    void *(*init)(void) = (void *(*)(void))(void *)GetProcAddress(library, name);
    void **table = init ? init() : NULL;
    check(table != NULL, "no table", name);
    for (int entry = 1; table && entry < 32; entry++)
        check(table[entry] != NULL, "a hole in the table of", name);
}

static void check_packages(void)
{
    ULONG count;
    PSecPkgInfoW packages;
    int found = 0;
    check(EnumerateSecurityPackagesW(&count, &packages) == SEC_E_OK, "does not answer", "EnumerateSecurityPackagesW");
    for (ULONG at = 0; at < count; at++) {
        printf("package %ls\n", packages[at].Name);
        found |= !wcscmp(packages[at].Name, L"Microsoft Unified Security Protocol Provider");
    }
    FreeContextBuffer(packages);
    check(found, "not among the packages", "Schannel");
}

static void check_user(void)
{
    wchar_t name[256];
    ULONG len = 256;
    check(GetUserNameExW(NameSamCompatible, name, &len) && wcschr(name, L'\\'), "does not answer", "GetUserNameExW");
    len = 1;
    check(!GetUserNameExW(NameSamCompatible, name, &len) && GetLastError() == ERROR_MORE_DATA && len > 2, "length", "GetUserNameExW");
}

int main(int argc, char **argv)
{
    HMODULE library = GetModuleHandleA("secur32.dll");
    check(library != NULL, "not loaded", "secur32.dll");
    check_names(library, argv[1]);
    check_table(library, "InitSecurityInterfaceA");
    check_table(library, "InitSecurityInterfaceW");
    for (int at = 2; at < argc; at++) {
        HMODULE other = LoadLibraryA(argv[at]);
        check(other != NULL, "does not load", argv[at]);
        void *theirs = other ? (void *)GetProcAddress(other, "AcceptSecurityContext") : NULL;
        check(!theirs || theirs == (void *)GetProcAddress(library, "AcceptSecurityContext"), "leads elsewhere", argv[at]);
        printf("%s %s\n", argv[at], theirs ? "forwards" : "loads");
    }
    check_packages();
    check_user();
    return failures != 0;
}

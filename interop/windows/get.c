/* GET over HTTPS through the system's own HTTP libraries, which run their TLS on secur32.dll.
 *
 *   get-winhttp PORT PATH, get-wininet PORT PATH     prints the body; the certificate's name has to be localhost and its root a system's root */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef WITH_WININET
#include <wininet.h>

static int get(int port, const char *path)
{
    char body[65536];
    DWORD count;
    HINTERNET session = InternetOpenA("get", INTERNET_OPEN_TYPE_DIRECT, NULL, NULL, 0);
    HINTERNET connection = InternetConnectA(session, "localhost", (INTERNET_PORT)port, NULL, NULL, INTERNET_SERVICE_HTTP, 0, 0);
    HINTERNET request = HttpOpenRequestA(connection, "GET", path, NULL, NULL, NULL, INTERNET_FLAG_SECURE | INTERNET_FLAG_RELOAD, 0);
    if (!request || !HttpSendRequestA(request, NULL, 0, NULL, 0)) {
        printf("error %lu\n", GetLastError());
        return 1;
    }
    while (InternetReadFile(request, body, sizeof body, &count) && count)
        fwrite(body, 1, count, stdout);
    InternetCloseHandle(request);
    InternetCloseHandle(connection);
    InternetCloseHandle(session);
    return 0;
}
#else
#include <winhttp.h>

static int get(int port, const char *path)
{
    wchar_t wide[256];
    char body[65536];
    DWORD count;
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 256);
    HINTERNET session = WinHttpOpen(L"get", WINHTTP_ACCESS_TYPE_NO_PROXY, NULL, NULL, 0);
    HINTERNET connection = WinHttpConnect(session, L"localhost", (INTERNET_PORT)port, 0);
    HINTERNET request = WinHttpOpenRequest(connection, L"GET", wide, NULL, NULL, NULL, WINHTTP_FLAG_SECURE);
    if (!request || !WinHttpSendRequest(request, NULL, 0, NULL, 0, 0, 0) || !WinHttpReceiveResponse(request, NULL)) {
        printf("error %lu\n", GetLastError());
        return 1;
    }
    while (WinHttpReadData(request, body, sizeof body, &count) && count)
        fwrite(body, 1, count, stdout);
    WinHttpCloseHandle(request);
    WinHttpCloseHandle(connection);
    WinHttpCloseHandle(session);
    return 0;
}
#endif

int main(int argc, char **argv)
{
    return argc == 3 ? get(atoi(argv[1]), argv[2]) : 2;
}

// A subject on the JDK's JSSE, with SSLSocket: README.md.

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public final class JavaSubject {
    private static final String SERVER_NAME = "server.test";
    private static final char[] PASSWORD = "conformance".toCharArray();
    private static final int PIECE = 16 << 10;
    private static final Map<String, Integer> AMOUNTS = Map.of("sending", 4 << 20, "blocked", 64 << 20);

    /** What the conductor always sends last. The order to stop comes another way, and may overtake it. */
    private static final int LAST = 5;

    private static boolean ready;
    private static long received;
    private static Socket plain;
    private static Thread writer;
    private static volatile boolean reset;

    public static void main(String[] arguments) throws Exception {
        boolean server = arguments[0].equals("server");
        String version = "TLSv" + arguments[1];
        String state = arguments[2];
        if (state.equals("key-update-asked")) {
            // JSSE has no call for it. It sends one when so many bytes were encrypted.
            Security.setProperty("jdk.tls.keyLimits",
                    "AES/GCM/NoPadding KeyUpdate 1, ChaCha20-Poly1305 KeyUpdate 1");
        }
        SSLContext context = makeContext(Path.of(arguments[4]), server);
        plain = new Socket(InetAddress.getByName("127.0.0.1"), Integer.parseInt(arguments[3]));
        plain.setTcpNoDelay(true);
        SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, SERVER_NAME, 443, true);
        configure(socket, server, version);
        start(JavaSubject::waitForStop);
        try {
            converse(socket, state);
        } catch (IOException error) {
            verdict(late(endOf(error)), String.valueOf(error));
        }
    }

    private static void converse(SSLSocket socket, String state) throws IOException {
        InputStream in = socket.getInputStream();
        socket.startHandshake();
        if (hasEnded(socket)) {
            // It returned although the peer has canceled. What came of that a read tells.
            read(in);
        }
        if (state.equals("handshake")) {
            verdict("failed", "the handshake was completed");
        }
        if (!state.equals("tickets")) {
            socket.getOutputStream().write("ping".getBytes());
            if (!new String(in.readNBytes(4)).equals("pong")) {
                verdict("failed", "no pong");
            }
        }
        if (state.equals("closed")) {
            socket.shutdownOutput();
        }
        synchronized (JavaSubject.class) {
            ready = true;
        }
        say("ready");
        if (AMOUNTS.containsKey(state)) {
            writer = start(() -> write(socket, AMOUNTS.get(state)));
        }
        read(in);
    }

    /** Neither {@code isInputShutdown} nor the session tells that the peer has closed, but this call fails then. */
    private static boolean hasEnded(SSLSocket socket) {
        try {
            socket.getInputStream();
            return false;
        } catch (IOException alreadyShutDown) {
            return true;
        }
    }

    private static void write(SSLSocket socket, int amount) {
        byte[] data = new byte[PIECE];
        try {
            OutputStream out = socket.getOutputStream();
            for (int left = amount; left > 0; left -= PIECE) {
                out.write(data);
            }
        } catch (IOException error) {
            reset = endOf(error).equals("reset");
        }
    }

    private static void read(InputStream in) throws IOException {
        byte[] buffer = new byte[PIECE];
        for (int count; (count = in.read(buffer)) >= 0;) {
            synchronized (JavaSubject.class) {
                received += count;
                JavaSubject.class.notifyAll();
            }
        }
        boolean sure = Boolean.getBoolean("com.sun.net.ssl.requireCloseNotify");
        verdict(sure ? "closed" : late("closed"), "read gives -1");
    }

    /** The kernel tells a reset once, to whoever comes first: after a write, a read finds a mere end. */
    private static String late(String word) {
        if (writer == null || word.startsWith("alert")) {
            return word;
        }
        try {
            // Wakes a write that stands still, which then fails otherwise.
            plain.shutdownOutput();
        } catch (IOException closed) {
            // The library has closed the socket, which wakes it too.
        }
        try {
            writer.join();
        } catch (InterruptedException nobody) {
            return word;
        }
        return reset ? "reset" : word;
    }

    private static SSLContext makeContext(Path directory, boolean server) throws Exception {
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        KeyStore keys = KeyStore.getInstance("PKCS12");
        KeyStore roots = KeyStore.getInstance("PKCS12");
        roots.load(null, PASSWORD);
        try (InputStream file = Files.newInputStream(directory.resolve("ca.pem"))) {
            roots.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        if (server) {
            try (InputStream file = Files.newInputStream(directory.resolve("server.p12"))) {
                keys.load(file, PASSWORD);
            }
        } else {
            keys.load(null, PASSWORD);
        }
        own.init(keys, PASSWORD);
        trust.init(roots);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static void configure(SSLSocket socket, boolean server, String version) {
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setProtocols(new String[] {version});
        if (!server) {
            parameters.setServerNames(List.of(new SNIHostName(SERVER_NAME)));
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
        }
        socket.setUseClientMode(!server);
        socket.setSSLParameters(parameters);
    }

    /** Those that a conductor sends, or would if something went wrong. */
    private static final Map<String, Integer> ALERTS = Map.of("unexpected_message", 10, "bad_record_mac", 20,
            "handshake_failure", 40, "certificate_unknown", 46, "unknown_ca", 48, "decode_error", 50,
            "decrypt_error", 51, "protocol_version", 70, "internal_error", 80, "user_canceled", 90);

    /** JSSE tells its ends apart by the texts of its exceptions, and by what caused them. */
    private static String endOf(IOException error) {
        String text = String.valueOf(error.getMessage());
        Matcher alert = Pattern.compile("Received fatal alert: (\\w+)").matcher(text);
        if (alert.find() && ALERTS.containsKey(alert.group(1))) {
            return "alert:" + ALERTS.get(alert.group(1));
        }
        if (text.contains("Received close_notify")) {
            return "closed";
        }
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof EOFException || text.contains("Remote host terminated")) {
                return "truncated";
            }
            if (cause instanceof SocketException && String.valueOf(cause.getMessage()).contains("reset")) {
                return "reset";
            }
        }
        return "failed";
    }

    private static void waitForStop() {
        try {
            // A line or the end, which say the same.
            System.in.read();
            synchronized (JavaSubject.class) {
                while (ready && received < LAST) {
                    JavaSubject.class.wait();
                }
            }
        } catch (IOException | InterruptedException error) {
            verdict("failed", "standard input: " + error);
        }
        verdict("open", "");
    }

    private static Thread start(Runnable task) {
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static synchronized void verdict(String word, String detail) {
        say("verdict " + word + " received=" + received
                + (detail.isEmpty() ? "" : " detail=" + detail.replace('\n', ' ')));
        // Not exit(), which would let the library close its sockets in good order first.
        Runtime.getRuntime().halt(0);
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}

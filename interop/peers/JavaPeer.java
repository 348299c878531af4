// One end of TLS connections on the JDK's JSSE. Options, steps and lines: README.md.

import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public final class JavaPeer {
    private static final char[] NO_PASSWORD = {};

    private final Socket plain;
    private final SSLSocket socket;

    public static void main(String[] arguments) throws Exception {
        boolean server = arguments[0].equals("server");
        int split = Arrays.asList(arguments).indexOf("--");
        Map<String, String> options = new HashMap<>();
        for (String option : Arrays.copyOfRange(arguments, 1, split)) {
            options.put(option.substring(0, option.indexOf('=')), option.substring(option.indexOf('=') + 1));
        }
        List<String> steps = Arrays.asList(arguments).subList(split + 1, arguments.length);
        SSLContext context = makeContext(options);
        ServerSocket listener = null;
        if (server) {
            listener = new ServerSocket(0, 16, InetAddress.getByName("127.0.0.1"));
            say("ready " + listener.getLocalPort());
        }
        for (int times = Integer.parseInt(options.getOrDefault("times", "1")); times > 0; times--) {
            Socket plain = server ? listener.accept() : new Socket("127.0.0.1", Integer.parseInt(options.get("port")));
            if (!server) {
                say("connected");
            }
            plain.setTcpNoDelay(true);
            JavaPeer peer = new JavaPeer(context, plain, server, options);
            for (String step : steps) {
                String[] values = step.split(":");
                try {
                    peer.run(values);
                } catch (IOException error) {
                    say("error " + values[0] + " end=" + endOf(error));
                    System.exit(1);
                }
            }
            plain.close();
            say("done");
        }
    }

    private JavaPeer(SSLContext context, Socket plain, boolean server, Map<String, String> options)
            throws IOException {
        this.plain = plain;
        String name = options.getOrDefault("name", "server.test");
        // The port tells one server from the next where sessions are kept.
        socket = (SSLSocket) context.getSocketFactory().createSocket(plain, name, plain.getPort(), false);
        socket.setUseClientMode(!server);
        SSLParameters parameters = socket.getSSLParameters();
        if (options.containsKey("min")) {
            parameters.setProtocols(options.get("min").equals(options.get("max"))
                    ? new String[] {"TLSv" + options.get("min")} : new String[] {"TLSv1.2", "TLSv1.3"});
        }
        if (server) {
            String verify = options.getOrDefault("verify", "none");
            parameters.setWantClientAuth(verify.equals("request"));
            if (verify.equals("require")) {
                parameters.setNeedClientAuth(true);
            }
        } else {
            parameters.setServerNames(List.of(new SNIHostName(name)));
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
        }
        socket.setSSLParameters(parameters);
    }

    private static SSLContext makeContext(Map<String, String> options) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        keys.load(null, NO_PASSWORD);
        for (String suffix : new String[] {"", "2"}) {
            if (options.containsKey("cert" + suffix)) {
                keys.setKeyEntry("key" + suffix, readKey(options.get("key" + suffix)), NO_PASSWORD,
                        readChain(options.get("cert" + suffix)));
            }
        }
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        own.init(keys, NO_PASSWORD);
        KeyStore roots = KeyStore.getInstance("PKCS12");
        roots.load(null, NO_PASSWORD);
        if (options.containsKey("ca")) {
            roots.setCertificateEntry("ca", readChain(options.get("ca"))[0]);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static PrivateKey readKey(String path) throws Exception {
        String text = Files.readString(Path.of(path)).replaceAll("-----[A-Z ]+-----|\\s", "");
        PKCS8EncodedKeySpec key = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text));
        try {
            return KeyFactory.getInstance("EC").generatePrivate(key);
        } catch (InvalidKeySpecException notThis) {
            return KeyFactory.getInstance("RSA").generatePrivate(key);
        }
    }

    private static Certificate[] readChain(String path) throws Exception {
        InputStream in = new ByteArrayInputStream(Files.readAllBytes(Path.of(path)));
        return CertificateFactory.getInstance("X.509").generateCertificates(in).toArray(new Certificate[0]);
    }

    private void run(String[] step) throws Exception {
        switch (step[0]) {
            case "handshake" -> handshake();
            case "send" -> say("sent bytes=" + send(step[1]));
            case "recv" -> receive(Long.parseLong(step[1]));
            case "read" -> receive(-1);
            case "both" -> {
                CompletableFuture<Void> sending = CompletableFuture.runAsync(() -> {
                    try {
                        send(step[1]);
                    } catch (IOException error) {
                        throw new IllegalStateException(error);
                    }
                });
                receive(Long.parseLong(step[2]));
                sending.join();
            }
            case "shutdown" -> {
                socket.shutdownOutput();
                say("shutdown");
            }
            case "fin" -> {
                plain.shutdownOutput();
                say("fin");
            }
            case "close" -> {
                plain.close();
                say("close");
            }
            case "reset" -> {
                plain.setSoLinger(true, 0);
                plain.close();
                say("reset");
            }
            case "hold" -> {
                say("holding");
                while (System.in.read() >= 0) {
                    continue;
                }
            }
            default -> throw new IOException("no such step");
        }
    }

    private void handshake() throws IOException {
        socket.startHandshake();
        String name = "-";
        try {
            X509Certificate certificate = (X509Certificate) socket.getSession().getPeerCertificates()[0];
            name = certificate.getSubjectX500Principal().getName().replaceFirst("^CN=", "");
        } catch (SSLPeerUnverifiedException none) {
            // It has shown none.
        }
        // JSSE does not say whether a session was resumed, nor which group was used.
        say("handshake version=" + socket.getSession().getProtocol() + " cipher="
                + socket.getSession().getCipherSuite() + " group=- peer=" + name);
    }

    private int send(String path) throws IOException {
        byte[] data = Files.readAllBytes(Path.of(path));
        OutputStream out = socket.getOutputStream();
        out.write(data);
        out.flush();
        return data.length;
    }

    /** Reads so many bytes, or to the end if {@code wanted} is negative. */
    private void receive(long wanted) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        byte[] buffer = new byte[1 << 16];
        long received = 0;
        String end = "open";
        while (wanted < 0 || received < wanted) {
            int length = wanted < 0 ? buffer.length : (int) Math.min(buffer.length, wanted - received);
            int read;
            try {
                read = socket.getInputStream().read(buffer, 0, length);
            } catch (IOException error) {
                if (wanted >= 0) {
                    throw error;
                }
                end = endOf(error);
                break;
            }
            if (read < 0) {
                if (wanted >= 0) {
                    throw new IOException("close_notify after " + received);
                }
                end = "close_notify";
                break;
            }
            digest.update(buffer, 0, read);
            received += read;
        }
        say("received bytes=" + received + " sha256=" + HexFormat.of().formatHex(digest.digest()) + " end=" + end);
    }

    private static final Map<String, Integer> ALERTS = Map.of(
            "bad_record_mac", 20, "handshake_failure", 40, "bad_certificate", 42, "certificate_unknown", 46,
            "unknown_ca", 48, "protocol_version", 70, "internal_error", 80, "certificate_required", 116);

    private static String endOf(Throwable error) {
        String text = String.valueOf(error.getMessage());
        Matcher alert = Pattern.compile("Received fatal alert: (\\w+)").matcher(text);
        if (alert.find() && ALERTS.containsKey(alert.group(1))) {
            return "alert:" + ALERTS.get(alert.group(1));
        }
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof EOFException || text.matches(".*(peer shut down incorrectly|host terminated).*")) {
                return "eof";
            }
            if (cause instanceof SocketException && text.matches(".*(reset|Broken pipe).*")) {
                return "reset";
            }
        }
        return (error instanceof SSLException ? "error:TLS:" : "error:") + text.replace(' ', '_');
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}

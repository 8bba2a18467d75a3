package qwen3tts;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A model that speaks, on Android and on any other JVM of Java 8 or newer. It needs libqwen3_tts_jni and ExecuTorch's
 * libraries where System.loadLibrary() finds them.
 *
 * <pre>{@code
 * try (Qwen3Tts tts = Qwen3Tts.open(new File("model.pte"))) {
 *   tts.speak("Hello there.", (samples, sampleRate) -> play(samples, sampleRate));
 * }
 * }</pre>
 *
 * <p>One text at a time: a second thread that speaks waits. {@link #cancel()} and {@link #close()} may be called from
 * any thread. What fails throws a {@link Failure}, whose message names the value and the remedy.
 */
public final class Qwen3Tts implements AutoCloseable {
  /** Takes the samples of an utterance in order, on the thread that speaks. */
  public interface Listener {
    /**
     * @param samples mono, in [-1, 1]
     * @param sampleRate Hz
     * @return false to end the utterance
     */
    boolean onSamples(float[] samples, int sampleRate);
  }

  /** Why the library refused or failed. */
  public static final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** A qwen3_tts_status of qwen3_tts.h. */
    public final int status;

    Failure(int status, byte[] message) {
      super(new String(message, StandardCharsets.UTF_8));
      this.status = status;
    }
  }

  static {
    System.loadLibrary("qwen3_tts_jni");
  }

  private final AtomicLong engine = new AtomicLong();
  private final AtomicLong session = new AtomicLong();
  private volatile boolean isCancelled;

  private Qwen3Tts(String optionsJson) {
    engine.set(createEngine(utf8(optionsJson)));
    try {
      session.set(createSession(engine.get()));
    } catch (Failure failure) {
      close();
      throw failure;
    }
  }

  /** Opens a model.pte. */
  public static Qwen3Tts open(File model) {
    return openWith("{\"model_path\": " + quoted(model.getPath()) + "}");
  }

  /**
   * Opens a model inside an open file, such as an asset that was stored without compression: AssetFileDescriptor has
   * all three numbers. The file may be closed afterwards. Where the offset is no multiple of 64, the model is copied
   * into memory.
   *
   * @param fd a descriptor that is open for reading
   * @param offset where the model begins, in bytes
   * @param length its bytes; 0: all that follow
   */
  public static Qwen3Tts open(int fd, long offset, long length) {
    return openWith("{\"model_fd\": " + fd + ", \"model_offset\": " + offset + ", \"model_length\": " + length + "}");
  }

  /**
   * Opens a model with any options.
   *
   * @param optionsJson members of EngineOptions (engine_options.h), such as {@code {"model_path": "model.pte",
   *     "num_threads": 2}}
   */
  public static Qwen3Tts openWith(String optionsJson) {
    return new Qwen3Tts(optionsJson);
  }

  /** Speaks a text with the model's defaults. Returns when all samples were taken, or after {@link #cancel()}. */
  public void speak(String text, Listener listener) {
    speakRequest("{\"text\": " + quoted(text) + "}", listener);
  }

  /**
   * Speaks as a request says.
   *
   * @param requestJson members of SynthesisRequest and SynthesisOptions (request.h), such as {@code {"text": "Hello.",
   *     "speaker": "ryan", "seed": 7}}
   */
  public synchronized void speakRequest(String requestJson, Listener listener) {
    if (session.get() == 0) {
      throw new IllegalStateException("this Qwen3Tts is closed; open another one");
    }
    isCancelled = false;
    start(session.get(), utf8(requestJson));
    int[] rateAndEnd = new int[2];
    do {
      if (isCancelled) { // Also what came before start(), which forgets it.
        stop(session.get());
      }
      float[] samples = next(session.get(), rateAndEnd);
      if (samples.length > 0 && !listener.onSamples(samples, rateAndEnd[0])) {
        isCancelled = true;
      }
    } while (rateAndEnd[1] == 0);
  }

  /** Ends the utterance that is being spoken at its next frame of 80 ms. Where there is none it does nothing. */
  public void cancel() {
    isCancelled = true;
    stop(session.get());
  }

  /** What the model file says about itself, as JSON: speakers, languages, sample rate. */
  public String info() {
    return new String(info(engine.get()), StandardCharsets.UTF_8);
  }

  /** Frees everything. A thread that speaks gets a Failure. */
  @Override
  public void close() {
    destroySession(session.getAndSet(0));
    destroyEngine(engine.getAndSet(0));
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** A string of JSON. */
  private static String quoted(String text) {
    StringBuilder json = new StringBuilder("\"");
    for (int i = 0; i < text.length(); ++i) {
      char c = text.charAt(i);
      if (c < ' ' || c == '"' || c == '\\') {
        json.append(String.format("\\u%04x", (int) c));
      } else {
        json.append(c);
      }
    }
    return json.append('"').toString();
  }

  // qwen3_tts.h. Handles are numbers, and 0 is none. All but stop and destroy throw a Failure.

  private static native long createEngine(byte[] optionsJson);

  private static native long createSession(long engine);

  private static native byte[] info(long engine);

  private static native void start(long session, byte[] requestJson);

  /** The next samples; rateAndEnd becomes the sample rate, and 1 where no other samples follow. */
  private static native float[] next(long session, int[] rateAndEnd);

  private static native void stop(long session);

  private static native void destroySession(long session);

  private static native void destroyEngine(long engine);
}

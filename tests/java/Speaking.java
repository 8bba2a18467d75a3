import java.io.DataOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import qwen3tts.Qwen3Tts;

/** What tests/test_java.py runs: one word says what to do with a model. Prints what a caller sees. */
public final class Speaking {
  private static final String TEXT = "She said \"hi\" \\ and\n\ud83d\ude00 left.";

  public static void main(String[] arguments) throws Exception {
    String what = arguments[0];
    File model = new File(arguments[1]);
    switch (what) {
      case "speak":
        try (Qwen3Tts tts = Qwen3Tts.open(model)) {
          write(tts, arguments[2], arguments[3]);
        }
        break;
      case "text":
        try (Qwen3Tts tts = Qwen3Tts.open(model)) {
          long[] count = new long[1];
          tts.speak(TEXT, (samples, rate) -> (count[0] += samples.length) < 20000);
          System.out.println(count[0] > 0);
        }
        break;
      case "info":
        try (Qwen3Tts tts = Qwen3Tts.open(model)) {
          System.out.println(tts.info());
        }
        break;
      case "cancel":
        cancel(model);
        break;
      case "close":
        close(model);
        break;
      default:
        refuse(model);
    }
  }

  /** The samples as big-endian floats. */
  private static void write(Qwen3Tts tts, String request, String path) throws IOException {
    try (DataOutputStream out = new DataOutputStream(new FileOutputStream(path))) {
      tts.speakRequest(
          request,
          (samples, rate) -> {
            try {
              for (float sample : samples) {
                out.writeFloat(sample);
              }
            } catch (IOException error) {
              throw new RuntimeException(error);
            }
            return rate == 24000;
          });
    }
  }

  /** Cancelled by another thread, by the listener's thread, and not at all by what came before. */
  private static void cancel(File model) throws Exception {
    try (Qwen3Tts tts = Qwen3Tts.open(model)) {
      tts.cancel();
      long[] counts = new long[3];
      tts.speak("One.", (samples, rate) -> ++counts[0] < 3);
      tts.speak(
          "Two.",
          (samples, rate) -> {
            ++counts[1];
            Thread other = new Thread(tts::cancel);
            other.start();
            try {
              other.join();
            } catch (InterruptedException error) {
              throw new RuntimeException(error);
            }
            return true;
          });
      tts.speak("Three.", (samples, rate) -> ++counts[2] < 3);
      System.out.println((counts[0] > 1) + " " + (counts[1] <= 2) + " " + (counts[2] > 1));
    }
  }

  private static void close(File model) {
    Qwen3Tts tts = Qwen3Tts.open(model);
    try {
      tts.speak(
          "One.",
          (samples, rate) -> {
            tts.close();
            return true;
          });
      System.out.println("it went on");
    } catch (Qwen3Tts.Failure failure) {
      System.out.println("failure " + failure.status);
    }
    tts.close();
    tts.cancel();
    try {
      tts.speak("Two.", (samples, rate) -> true);
    } catch (IllegalStateException error) {
      System.out.println(error.getMessage());
    }
  }

  private static void refuse(File model) {
    try {
      Qwen3Tts.open(new File("none \ud83d\ude00.pte"));
    } catch (Qwen3Tts.Failure failure) {
      System.out.println(failure.status + " " + failure.getMessage());
    }
    try {
      Qwen3Tts.open(987, 4, 0);
    } catch (Qwen3Tts.Failure failure) {
      System.out.println(failure.status + " " + failure.getMessage());
    }
    try (Qwen3Tts tts = Qwen3Tts.open(model)) {
      tts.speakRequest("{\"text\": \"One.\", \"speaker\": \"nobody\"}", (samples, rate) -> true);
    } catch (Qwen3Tts.Failure failure) {
      System.out.println(failure.status + " " + failure.getMessage());
    }
  }
}

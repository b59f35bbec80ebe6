import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.rudderstack.sdk.java.analytics.RudderAnalytics;
import com.segment.analytics.Analytics;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Sends the events of a task, which is JSON on standard input, and writes what the client gave up, and why. */
public class Drive {
  static final List<String> failures = Collections.synchronizedList(new ArrayList<>());
  static CountDownLatch owed;
  static JsonObject task;

  public static void main(String[] arguments) throws Exception {
    InputStreamReader in = new InputStreamReader(System.in, StandardCharsets.UTF_8);
    task = JsonParser.parseReader(in).getAsJsonObject();
    List<JsonElement> events = new ArrayList<>();
    task.getAsJsonArray("events").forEach(events::add);
    owed = new CountDownLatch(events.size());
    if (text("client").startsWith("com.segment")) {
      segment(events);
    } else {
      rudder(events);
    }
    System.out.println(new Gson().toJson(failures));
    System.exit(0);
  }

  static String text(String name) {
    return task.get(name).getAsString();
  }

  static int number(String name) {
    return task.get(name).getAsInt();
  }

  static Map<String, ?> map(JsonObject event, String name) {
    return new Gson().fromJson(event.get(name), Map.class);
  }

  static void failed(Throwable error) {
    failures.add(String.valueOf(error));
    owed.countDown();
  }

  static void segment(List<JsonElement> events) throws Exception {
    Analytics analytics =
        Analytics.builder(text("key"))
            .endpoint(text("host"))
            .retries(number("retries"))
            .flushQueueSize(number("batch"))
            .flushInterval(1, TimeUnit.SECONDS)
            .callback(
                new com.segment.analytics.Callback() {
                  public void success(com.segment.analytics.messages.Message message) {
                    owed.countDown();
                  }

                  public void failure(com.segment.analytics.messages.Message message, Throwable error) {
                    failed(error);
                  }
                })
            .build();
    for (JsonElement each : events) {
      JsonObject event = each.getAsJsonObject();
      com.segment.analytics.messages.TrackMessage.Builder message =
          com.segment.analytics.messages.TrackMessage.builder(event.get("event").getAsString())
              .userId(event.get("userId").getAsString())
              .timestamp(Date.from(Instant.parse(event.get("timestamp").getAsString())))
              .properties(map(event, "properties"))
              .context(map(event, "context"));
      for (Map.Entry<String, JsonElement> one : event.getAsJsonObject("integrations").entrySet()) {
        message.enableIntegration(one.getKey(), one.getValue().getAsBoolean());
      }
      analytics.enqueue(message);
    }
    analytics.flush();
    owed.await(number("patience"), TimeUnit.SECONDS);
    analytics.shutdown();
  }

  static void rudder(List<JsonElement> events) throws Exception {
    RudderAnalytics analytics =
        RudderAnalytics.builder(text("key"))
            .setDataPlaneUrl(text("host"))
            .setGZIP(task.get("gzip").getAsBoolean())
            .retries(number("retries"))
            .flushQueueSize(number("batch"))
            .flushInterval(1, TimeUnit.SECONDS)
            .callback(
                new com.rudderstack.sdk.java.analytics.Callback() {
                  public void success(com.rudderstack.sdk.java.analytics.messages.Message message) {
                    owed.countDown();
                  }

                  public void failure(
                      com.rudderstack.sdk.java.analytics.messages.Message message, Throwable error) {
                    failed(error);
                  }
                })
            .build();
    for (JsonElement each : events) {
      JsonObject event = each.getAsJsonObject();
      com.rudderstack.sdk.java.analytics.messages.TrackMessage.Builder message =
          com.rudderstack.sdk.java.analytics.messages.TrackMessage.builder(event.get("event").getAsString())
              .userId(event.get("userId").getAsString())
              .timestamp(Date.from(Instant.parse(event.get("timestamp").getAsString())))
              .properties(map(event, "properties"))
              .context(map(event, "context"));
      for (Map.Entry<String, JsonElement> one : event.getAsJsonObject("integrations").entrySet()) {
        message.enableIntegration(one.getKey(), one.getValue().getAsBoolean());
      }
      analytics.enqueue(message);
    }
    analytics.flush();
    owed.await(number("patience"), TimeUnit.SECONDS);
    analytics.shutdown();
  }
}

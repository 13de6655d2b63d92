import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;

/**
 * One of two SQL jobs over all likes that a topic holds, several times in one JVM.
 *
 * <p>Arguments: job (A or B), brokers, topic of likes, topic of results, parallelism, times. A JSON line a run: seconds
 * of the clock, CPU seconds of the process since the run before (the first one's since the JVM began), the process's
 * largest resident set so far, MB, and rows written.
 */
public final class Likes {
  private static final String BUSY_ACTORS =
      """
      INSERT INTO results
      SELECT actor_id, CAST(NULL AS STRING), window_start, COUNT(*)
      FROM TABLE(TUMBLE(TABLE likes, DESCRIPTOR(liked_at), INTERVAL '5' MINUTES))
      GROUP BY actor_id, window_start, window_end
      HAVING COUNT(*) >= 10
      """;

  private static final String MEETINGS =
      """
      CREATE TEMPORARY VIEW meetings AS
      SELECT a.actor_id AS actor_id, b.actor_id AS partner_id, a.target_id AS target_id, a.liked_at AS met_at
      FROM likes a JOIN likes b ON a.target_id = b.target_id AND a.actor_id < b.actor_id
        AND b.liked_at BETWEEN a.liked_at - INTERVAL '60' SECOND AND a.liked_at + INTERVAL '60' SECOND
      """;

  private static final String PAIRS =
      """
      INSERT INTO results
      SELECT actor_id, partner_id, window_start, COUNT(DISTINCT target_id)
      FROM TABLE(TUMBLE(TABLE meetings, DESCRIPTOR(met_at), INTERVAL '1' HOUR))
      GROUP BY actor_id, partner_id, window_start, window_end
      HAVING COUNT(DISTINCT target_id) >= 2
      """;

  private Likes() {}

  public static void main(String[] arguments) throws Exception {
    String job = arguments[0], brokers = arguments[1], topic = arguments[2], results = arguments[3];
    int parallelism = Integer.parseInt(arguments[4]), times = Integer.parseInt(arguments[5]);
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
      double cpuBefore = 0;
      for (int n = 0; n < times; n++) {
        long rowsBefore = rows(admin, results), began = System.nanoTime();
        run(job, brokers, topic, results, parallelism);
        double wall = (System.nanoTime() - began) / 1e9, cpu = cpuSeconds();
        System.out.printf(
            Locale.ROOT,
            "{\"wall_s\": %.3f, \"cpu_s\": %.3f, \"rss_mb\": %.0f, \"rows\": %d}%n",
            wall, cpu - cpuBefore, largestResidentMb(), rows(admin, results) - rowsBefore);
        cpuBefore = cpuSeconds();
      }
    }
    // Threads of a local cluster outlive it.
    System.exit(0);
  }

  private static void run(String job, String brokers, String topic, String results, int parallelism)
      throws Exception {
    Configuration configuration = new Configuration();
    configuration.setString("table.exec.mini-batch.enabled", "true");
    configuration.setString("table.exec.mini-batch.allow-latency", "1 s");
    configuration.setString("table.exec.mini-batch.size", "5000");
    configuration.setString("table.local-time-zone", "UTC");
    var environment = StreamExecutionEnvironment.createLocalEnvironment(parallelism, configuration);
    StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
    tables.executeSql(
        """
        CREATE TABLE likes (
          event_id STRING, actor_id STRING, target_id STRING, occurred_at BIGINT,
          liked_at AS TO_TIMESTAMP_LTZ(occurred_at, 3),
          WATERMARK FOR liked_at AS liked_at - INTERVAL '10' SECOND
        ) WITH (
          'connector' = 'kafka', 'format' = 'json', 'topic' = '%s', 'properties.bootstrap.servers' = '%s',
          'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'
        )
        """.formatted(topic, brokers));
    tables.executeSql(
        """
        CREATE TABLE results (actor_id STRING, partner_id STRING, window_start TIMESTAMP(3), number BIGINT) WITH (
          'connector' = 'kafka', 'format' = 'json', 'topic' = '%s', 'properties.bootstrap.servers' = '%s'
        )
        """.formatted(results, brokers));
    switch (job) {
      case "A" -> tables.executeSql(BUSY_ACTORS).await();
      case "B" -> {
        tables.executeSql(MEETINGS);
        tables.executeSql(PAIRS).await();
      }
      default -> throw new IllegalArgumentException("no job " + job);
    }
  }

  private static long rows(Admin admin, String topic) throws Exception {
    Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
    for (var partition : admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions()) {
      ends.put(new TopicPartition(topic, partition.partition()), OffsetSpec.latest());
    }
    return admin.listOffsets(ends).all().get().values().stream().mapToLong(end -> end.offset()).sum();
  }

  private static double cpuSeconds() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
  }

  private static double largestResidentMb() throws Exception {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Double.parseDouble(line.replaceAll("\\D", "")) * 1024 / 1e6;
      }
    }
    throw new IllegalStateException("/proc/self/status says nothing of VmHWM");
  }
}
